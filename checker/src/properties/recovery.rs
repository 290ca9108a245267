//! Recovery: after the heal the system serves again within the time that the workload allows.

use std::time::Duration;

use super::host::Host;
use crate::history::{Event, History, Outcome, Stage, View};
use crate::verdict::{CheckReport, Verdict, Violation};

/// Name of the check.
pub const NAME: &str = "recovery";

/// Whether an operation that began after the heal succeeded within the limit, counted from when somebody asked, and not counting the time in which the
/// host was slow: before somebody asks nobody can be served.
pub(crate) fn check(history: &History, within: Duration, host: &Host) -> CheckReport {
    let Some(wait) = Wait::of(history) else {
        return CheckReport::new(NAME, Verdict::Unknown, "the run ended before its heal");
    };
    match wait.served {
        Some(_) if wait.length() <= within => {
            let detail =
                format!("served again {:.3} s after the heal", wait.length().as_secs_f64());
            CheckReport::new(NAME, Verdict::Valid, detail)
        }
        _ => wait.excused(history, within, host).unwrap_or_else(|| wait.convict(within)),
    }
}

/// How long clients waited after the heal.
struct Wait {
    heal: u64,
    /// When somebody asked: at the heal, or when the first operation after it began.
    asked: u64,
    /// When the first operation that began after the heal had succeeded.
    served: Option<u64>,
    /// When the recording ends.
    end: u64,
}

impl Wait {
    fn of(history: &History) -> Option<Self> {
        let heal = history.phase("heal")?.time;
        let after = || history.views().filter(|operation| operation.invoked_time() >= heal);
        // Who was still waiting then had asked already.
        let waits = |operation: &View<'_>| {
            operation.invoked_time() < heal
                && operation.completed_time().is_none_or(|end| end > heal)
        };
        let asked = match history.views().any(|operation| waits(&operation)) {
            true => heal,
            false => after().map(|operation| operation.invoked_time()).min().unwrap_or(heal),
        };
        let ok = after().filter(|operation| operation.outcome() == Outcome::Ok);
        let served = ok.filter_map(|operation| operation.completed_time()).min();
        Some(Self { heal, asked, served, end: end(history) })
    }

    /// Until somebody was served, or the recording ended.
    fn length(&self) -> Duration {
        Duration::from_nanos(self.served.unwrap_or(self.end).saturating_sub(self.asked))
    }

    fn seen(&self) -> String {
        let length = self.length().as_secs_f64();
        self.served.map_or_else(
            || "never served again".to_string(),
            |_| format!("served again only after {length:.3} s"),
        )
    }

    /// Why a wait that was too long is nothing to convict a system of.
    fn excused(&self, history: &History, within: Duration, host: &Host) -> Option<CheckReport> {
        let unknown = |detail: &str| Some(CheckReport::new(NAME, Verdict::Unknown, detail));
        if self.served.is_none() && interrupted(history) {
            return unknown("interrupted before the system had served again");
        }
        if self.served.is_none() && self.length() <= within {
            return unknown("the recording ends too soon after the heal");
        }
        if let Some(fault) = beyond_for_ever(history, self.heal) {
            let left = "which was not healed, there was no majority that could have served";
            return unknown(&format!("with {fault}, {left}"));
        }
        let to = self.served.unwrap_or(self.end);
        let excuse = host.excuse(self.asked, to, within.as_nanos() as u64)?;
        let mut report =
            unknown(&excuse.doubt(&format!("after the heal the system {}", self.seen())))?;
        report.figures.extend([excuse.figure()]);
        Some(report)
    }

    fn convict(&self, within: Duration) -> CheckReport {
        let limit = within.as_secs_f64();
        let summary = format!("after the heal the system {}; {limit} s were allowed", self.seen());
        let violation = Violation {
            summary: summary.clone(),
            time: Some(self.heal),
            key: None,
            explanation: vec!["Every fault was healed, and no client got an ok in time.".into()],
            operations: vec![],
        };
        CheckReport::invalid(NAME, summary, vec![violation])
    }
}

/// A fault that was to stay in force, and broke more than a system must bear.
fn beyond_for_ever(history: &History, heal: u64) -> Option<&str> {
    let ended = |id: &str| {
        let same = |event: &&Event| event.fault.as_deref() == Some(id);
        let ends =
            history.nemesis().iter().filter(same).filter(|event| event.stage == Some(Stage::End));
        ends.into_iter().any(|end| end.time <= heal)
    };
    let beyond = history.nemesis().iter().filter(|event| event.value["beyond_budget"].is_string());
    beyond.filter_map(|event| event.fault.as_deref()).find(|id| !ended(id))
}

/// When the recording ends.
fn end(history: &History) -> u64 {
    let last = || history.events().checked_sub(1).map_or(0, |last| history.time(last));
    history.phase("end").map_or_else(last, |end| end.time)
}

fn interrupted(history: &History) -> bool {
    history.phase("end").is_none_or(|end| end.value["interrupted"] == true)
}

#[cfg(test)]
mod tests {
    use super::super::faults_effective::tests::nemesis;
    use super::super::host::tests::noise;
    use super::*;
    use crate::history::tests::{history as recorded, of_nemesis};

    /// Judged on a host that was never slow.
    fn check(history: &History, within: Duration) -> CheckReport {
        super::check(history, within, &Host::of(history, None))
    }

    /// A read that begins with the heal and ends so much later; the phase `end` may be missing.
    fn history(end_ms: u64, reads: bool, ended: bool) -> History {
        let heal = 1_000_000_000;
        let mut events = vec![(heal, "nemesis info phase {\"phase\":\"heal\"}")];
        if reads {
            events.push((heal, "0 invoke read null"));
            events.push((heal + end_ms * 1_000_000, "0 ok read 1"));
        }
        if ended {
            let end = "nemesis info phase {\"phase\":\"end\",\"interrupted\":false}";
            events.push((heal + end_ms * 1_000_000, end));
        }
        recorded(&events)
    }

    #[test]
    fn late_or_never_is_a_violation() {
        let within = Duration::from_secs(2);
        assert_eq!(check(&history(1_999, true, true), within).verdict, Verdict::Valid);
        assert_eq!(check(&history(2_001, true, true), within).verdict, Verdict::Invalid);
        assert_eq!(check(&history(2_001, false, true), within).verdict, Verdict::Invalid);
        // Too early to tell, or not told to the end.
        assert_eq!(check(&history(1_999, false, true), within).verdict, Verdict::Unknown);
        assert_eq!(check(&history(2_001, false, false), within).verdict, Verdict::Unknown);
        assert_eq!(check(&History::default(), within).verdict, Verdict::Unknown);
        // What began before the heal shows nothing of the time after it.
        let early = recorded(&[
            (0, "0 invoke read null"),
            (1, "nemesis info phase {\"phase\":\"heal\"}"),
            (2, "0 ok read 1"),
            (3_000_000_000, "nemesis info phase {\"phase\":\"end\",\"interrupted\":false}"),
        ]);
        assert_eq!(check(&early, within).verdict, Verdict::Invalid);
        // Who waited all the time had asked; and what began before the heal is no sign of life.
        let waiting = recorded(&[
            (0, "0 invoke read null"),
            (1, "nemesis info phase {\"phase\":\"heal\"}"),
            (5_000_000_000, "0 ok read 1"),
            (5_000_000_001, "1 invoke read null"),
            (5_000_000_002, "1 ok read 1"),
            (6_000_000_000, "nemesis info phase {\"phase\":\"end\",\"interrupted\":false}"),
        ]);
        assert_eq!(check(&waiting, within).verdict, Verdict::Invalid);
        // Nobody asked for a while.
        let late = recorded(&[
            (1, "nemesis info phase {\"phase\":\"heal\"}"),
            (5_000_000_000, "0 invoke read null"),
            (5_000_000_002, "0 ok read 1"),
            (6_000_000_000, "nemesis info phase {\"phase\":\"end\",\"interrupted\":false}"),
        ]);
        assert_eq!(check(&late, within).verdict, Verdict::Valid);
    }

    #[test]
    fn nobody_can_expect_a_majority_that_is_lost_for_ever() {
        let at = |time, event| Event { time, ..event };
        let phases = || {
            [
                at(1, nemesis("phase", r#"{"phase":"heal"}"#)),
                at(3_000_000_000, nemesis("phase", r#"{"phase":"end","interrupted":false}"#)),
            ]
        };
        let of_fault = |stage, value| {
            let fault = Some("f1".to_string());
            Event { fault, stage: Some(stage), ..nemesis("kill", value) }
        };
        let done = of_fault(Stage::Done, r#"{"action":"kill n1, n2","beyond_budget":"1 of 3"}"#);
        let judged = |faults: Vec<Event>| {
            let events = faults.into_iter().chain(phases()).collect();
            check(&of_nemesis(events), Duration::from_secs(2)).verdict
        };
        assert_eq!(judged(vec![]), Verdict::Invalid);
        assert_eq!(judged(vec![done.clone()]), Verdict::Unknown);
        assert_eq!(judged(vec![done, of_fault(Stage::End, "{}")]), Verdict::Invalid);
    }

    #[test]
    fn late_only_because_of_the_host_is_undecided() {
        // The heal at 1 s; the first success at 4 s, of which 2 to 3 s were slow.
        let judged = |success: &str, slow: u64, within: u64| {
            let noises = [noise(1, 1, 1), noise(2, slow, 1), noise(3, 1, 1)];
            let mut events = vec![
                (1_000_000_000, "nemesis info phase {\"phase\":\"heal\"}"),
                (1_000_000_000, "0 invoke read null"),
            ];
            events.extend(noises.iter().map(|(time, line)| (*time, line.as_str())));
            events.push((4_000_000_000, success));
            events.push((
                4_000_000_000,
                "nemesis info phase {\"phase\":\"end\",\"interrupted\":false}",
            ));
            let history = recorded(&events);
            let within = Duration::from_millis(within);
            super::check(&history, within, &Host::of(&history, Some(75_000_000)))
        };
        for success in ["0 ok read 1", "0 info read null"] {
            let excused = judged(success, 80, 2_000);
            assert_eq!(excused.verdict, Verdict::Unknown, "{excused:?}");
            assert!(excused.detail.contains("the host was slow for 1"), "{}", excused.detail);
            // Too late even without the slow second, or no slow second at all.
            assert_eq!(judged(success, 80, 1_999).verdict, Verdict::Invalid);
            assert_eq!(judged(success, 70, 2_000).verdict, Verdict::Invalid);
        }
        assert_eq!(judged("0 ok read 1", 80, 3_000).verdict, Verdict::Valid);
    }
}
