//! The host was quick enough to tell. A slow one excuses a system that was late, and only that: a stale read is a stale read on any host.
//!
//! The harness measures, all the time, how late the kernel wakes a thread that sleeps, and how long a small file takes to reach the disk. A stretch of
//! time (about a second) is *slow* if a thread woke, or the 99th percentile of the syncs took, later than half of the shortest election time-out of
//! the nodes: then leaders are deposed, and candidates fail, for no fault of theirs. Slow stretches do not count when it is asked how long the
//! system did not serve. If it was late even so, that is a violation; if only with them, the host was too slow to judge, and the check undecided.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::quantiles::duration;
use crate::history::History;
use crate::verdict::{CheckReport, Verdict};

/// Name of the check.
pub const NAME: &str = "host";
/// The figure of a check that would have convicted on another host: how much of the time did not count, in nanoseconds.
const EXCUSED: &str = "slow_host_ns";

/// The value of a `host-noise` line: what was measured from one moment to another.
#[derive(Debug, Deserialize)]
struct Noise {
    from: u64,
    to: u64,
    phase: String,
    scheduling: Spread,
    fsync: Spread,
}

/// How long something took, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Spread {
    p50_ns: u64,
    p99_ns: u64,
    max_ns: u64,
}

/// What the host did during a recording.
pub(crate) struct Host {
    noise: Vec<Noise>,
    bound: Option<u64>,
}

impl Host {
    /// Reads what was measured. Without a bound, in nanoseconds, no stretch is slow.
    pub(crate) fn of(history: &History, bound: Option<u64>) -> Self {
        let lines = history.nemesis().iter().filter(|event| event.f == "host-noise");
        let noise = lines.filter_map(|event| serde_json::from_value(event.value.clone()).ok());
        Self { noise: noise.collect(), bound }
    }

    /// How much of the time between two moments was slow, in nanoseconds.
    fn slow(&self, from: u64, to: u64) -> u64 {
        let slow = self.noise.iter().filter(|noise| self.is_slow(noise));
        slow.map(|noise| noise.to.min(to).saturating_sub(noise.from.max(from))).sum()
    }

    fn is_slow(&self, noise: &Noise) -> bool {
        self.bound
            .is_some_and(|bound| noise.scheduling.max_ns > bound || noise.fsync.p99_ns > bound)
    }

    /// Why a wait from one moment to another, which was longer than the limit, says nothing of the system. Nothing if it does.
    pub(super) fn excuse(&self, from: u64, to: u64, limit: u64) -> Option<Excuse> {
        let slow = self.slow(from, to);
        let quick = to.saturating_sub(from).saturating_sub(slow);
        (slow > 0 && quick <= limit).then_some(Excuse { slow })
    }

    /// The report, after the checks that the host may have made undecided.
    pub(crate) fn check(&self, checks: &[CheckReport]) -> Option<CheckReport> {
        let (first, last) = (self.noise.first()?, self.noise.last()?);
        let excused = |check: &&CheckReport| {
            check.verdict == Verdict::Unknown && check.figures.contains_key(EXCUSED)
        };
        let excused: Vec<_> =
            checks.iter().filter(excused).map(|check| check.name.as_str()).collect();
        let slow = duration(self.slow(first.from, last.to));
        let of = duration(last.to.saturating_sub(first.from));
        let words = format!("{} in all; {slow} of {of} were slow", self.worst());
        let (verdict, detail) = if excused.is_empty() {
            (Verdict::Valid, words)
        } else {
            (
                Verdict::Unknown,
                format!("the host was too slow to judge {}: {words}", excused.join(" and ")),
            )
        };
        Some(CheckReport { figures: self.figures(), ..CheckReport::new(NAME, verdict, detail) })
    }

    fn worst(&self) -> String {
        let worst = |of: fn(&Noise) -> u64| duration(self.noise.iter().map(of).max().unwrap_or(0));
        let (late, synced) =
            (worst(|noise| noise.scheduling.max_ns), worst(|noise| noise.fsync.max_ns));
        format!("a thread woke at most {late} late, a sync took at most {synced}")
    }

    /// The worst of each phase.
    fn figures(&self) -> BTreeMap<String, Value> {
        let mut phases: BTreeMap<&str, (Spread, Spread)> = BTreeMap::new();
        for noise in &self.noise {
            let (scheduling, fsync) = phases.entry(&noise.phase).or_default();
            *scheduling = scheduling.worst(noise.scheduling);
            *fsync = fsync.worst(noise.fsync);
        }
        let each = |of: fn(&(Spread, Spread)) -> Spread| -> Value {
            phases
                .iter()
                .map(|(phase, both)| (phase.to_string(), of(both).json()))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        BTreeMap::from([
            ("scheduling".to_string(), each(|both| both.0)),
            ("fsync".to_string(), each(|both| both.1)),
            ("slow_after_ns".to_string(), json!(self.bound)),
        ])
    }
}

impl Spread {
    fn worst(self, other: Self) -> Self {
        Self {
            p50_ns: self.p50_ns.max(other.p50_ns),
            p99_ns: self.p99_ns.max(other.p99_ns),
            max_ns: self.max_ns.max(other.max_ns),
        }
    }

    fn json(self) -> Value {
        json!({ "p50_ns": self.p50_ns, "p99_ns": self.p99_ns, "max_ns": self.max_ns })
    }
}

/// That the host, and not the system, may have been slow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excuse {
    slow: u64,
}

impl Excuse {
    /// Why a check is undecided.
    pub(super) fn doubt(self, what: &str) -> String {
        format!("{what}, but the host was slow for {} of that", duration(self.slow))
    }

    /// What it leaves among the figures of a check.
    pub(super) fn figure(self) -> (String, Value) {
        (EXCUSED.to_string(), json!(self.slow))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::history::tests::history;

    /// A line of the nemesis: so late a thread woke, and so long a sync took, in milliseconds, from one second to the next.
    pub(in crate::properties) fn noise(second: u64, late: u64, sync: u64) -> (u64, String) {
        let spread = |ms: u64| json!({ "p50_ns": 0, "p99_ns": ms * 1_000_000, "max_ns": ms * 1_000_000, "samples": 9 });
        let (from, to) = (second * 1_000_000_000, (second + 1) * 1_000_000_000);
        let value = json!({ "from": from, "to": to, "phase": "heal", "scheduling": spread(late), "fsync": spread(sync) });
        (to, format!("nemesis info host-noise {value}"))
    }

    fn host(noises: &[(u64, String)], bound: Option<u64>) -> Host {
        let lines: Vec<_> = noises.iter().map(|(time, line)| (*time, line.as_str())).collect();
        Host::of(&history(&lines), bound)
    }

    #[test]
    fn only_what_was_slow_does_not_count() {
        let second = 1_000_000_000;
        let noises = [noise(0, 3, 2), noise(1, 80, 2), noise(2, 3, 90), noise(3, 3, 2)];
        let host = |bound| host(&noises, bound);
        assert_eq!(host(Some(75_000_000)).slow(0, 4 * second), 2 * second);
        assert_eq!(host(Some(75_000_000)).slow(second / 2, 3 * second / 2), second / 2);
        assert_eq!(host(Some(85_000_000)).slow(0, 4 * second), second);
        assert_eq!(host(None).slow(0, 4 * second), 0);
        let excused = |limit| host(Some(75_000_000)).excuse(0, 4 * second, limit).is_some();
        assert!(excused(2 * second) && !excused(2 * second - 1));
        // A wait that was called too long for another reason than its length is not excused by a host that was quick.
        assert!(host(None).excuse(0, second, 2 * second).is_none());
    }

    #[test]
    fn it_is_undecided_only_if_that_mattered() {
        let host = host(&[noise(0, 80, 2)], Some(75_000_000));
        let broken = CheckReport::invalid("linearizable", "", vec![]);
        let undecided = CheckReport::new("operations", Verdict::Unknown, "");
        let report = host.check(&[broken, undecided]).unwrap();
        assert_eq!(report.verdict, Verdict::Valid);
        assert!(report.detail.contains("a thread woke at most 80"), "{}", report.detail);
        let mut late = CheckReport::new("recovery", Verdict::Unknown, "");
        late.figures.extend([Excuse { slow: 1 }.figure()]);
        let report = host.check(&[late]).unwrap();
        assert_eq!(report.verdict, Verdict::Unknown);
        assert!(report.detail.contains("too slow to judge recovery"), "{}", report.detail);
        assert!(Host::of(&History::default(), Some(1)).check(&[]).is_none());
    }
}
