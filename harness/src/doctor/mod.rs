//! What this machine lets this user do, found out by doing it. No configuration is read: a setting says what was meant, a try what holds.

mod capability;
mod needs;
mod processes;
mod sockets;
mod system;

use std::path::Path;

pub(crate) use self::capability::Capability;
use self::needs::EVERY_RUN;
pub(crate) use self::needs::Means;
use crate::workload::{Diagnostics, FaultRule, Workload, object};

/// What to try, and where.
#[derive(Clone, Debug)]
pub(crate) struct Trial<'a> {
    /// Where run directories go, or will.
    pub(crate) out: &'a Path,
    /// Nodes of a run.
    pub(crate) nodes: u32,
    /// Capabilities that are taken to be missing, for tests.
    pub(crate) missing: &'a [Capability],
}

/// What came of trying a capability: how well it works, or why it does not.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) capability: Capability,
    pub(crate) outcome: Result<String, String>,
}

impl Trial<'_> {
    /// Tries a capability.
    pub(crate) fn of(&self, capability: Capability) -> Finding {
        let outcome = match capability {
            _ if self.missing.contains(&capability) => Err("--pretend-missing says so".to_string()),
            Capability::Udp => sockets::udp(),
            Capability::Descriptors => sockets::descriptors(self.nodes),
            Capability::Signals => processes::signals(),
            Capability::ParentDeath => processes::parent_death(),
            Capability::Proc => processes::proc(),
            Capability::Sync => system::sync(self.out),
            Capability::Ecn => sockets::ecn(),
            Capability::Refusal => sockets::refusal(),
            Capability::Stop => processes::stop(),
            Capability::Limits => processes::limits(),
            Capability::UdpBatches => sockets::batches(),
            Capability::Wake => system::wake(),
        };
        Finding { capability, outcome }
    }
}

impl Capability {
    /// Who needs it: every run, some faults, or nobody.
    pub(crate) fn needed_by(self) -> Vec<&'static str> {
        if EVERY_RUN.contains(&self) {
            return vec!["every run"];
        }
        let needing = Means::ALL.into_iter().filter(|means| means.needs().contains(&self));
        needing.map(Means::name).collect()
    }
}

impl Means {
    /// What it needs, with what every run does, that was found to be missing.
    pub(crate) fn missing(self, findings: &[Finding]) -> Vec<&Finding> {
        missing(&[EVERY_RUN, self.needs()].concat(), findings)
    }
}

fn missing<'a>(needs: &[Capability], findings: &'a [Finding]) -> Vec<&'a Finding> {
    let failed = |finding: &&Finding| finding.outcome.is_err();
    findings.iter().filter(failed).filter(|finding| needs.contains(&finding.capability)).collect()
}

/// Why a workload, which was read from this file, cannot be run here; nothing if it can. Only what it needs is tried.
pub(crate) fn refusal(file: &Path, workload: &Workload, trial: &Trial<'_>) -> Option<Diagnostics> {
    let faults = workload.faults.iter().flat_map(FaultRule::faults);
    let mut needed: Vec<_> = faults.flat_map(|fault| Means::of(fault).needs()).copied().collect();
    needed.extend(EVERY_RUN);
    needed.sort_unstable();
    needed.dedup();
    let findings: Vec<_> = needed.into_iter().map(|capability| trial.of(capability)).collect();
    let objection = |who: &str, needs: &[Capability]| {
        let told = |finding: &Finding| {
            format!("{who} needs {} ({})", finding.reason(), finding.capability.remedy())
        };
        let reasons: Vec<_> = missing(needs, &findings).into_iter().map(told).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    };
    object(file, workload, objection("every run", EVERY_RUN), |fault| {
        let means = Means::of(fault);
        objection(&format!("`{}`", means.name()), means.needs())
    })
}

impl Finding {
    /// What was tried, and what was seen: `stop: Operation not permitted`.
    pub(crate) fn reason(&self) -> String {
        let seen = self.outcome.as_ref().unwrap_or_else(|why| why);
        format!("{}: {seen}", self.capability.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(missing: &[Capability]) -> Trial<'_> {
        Trial { out: Path::new("."), nodes: 3, missing }
    }

    #[test]
    fn what_runs_and_faults_need_works_where_tests_run() {
        // Our own binary would have to be the guard, and under test it is another: tests/integration/capabilities.rs.
        let tried = |capability: &Capability| {
            *capability != Capability::ParentDeath && !capability.needed_by().is_empty()
        };
        for capability in Capability::ALL.into_iter().filter(tried) {
            let finding = trial(&[]).of(capability);
            assert!(finding.outcome.is_ok(), "{finding:?}");
        }
    }

    #[test]
    fn only_faults_that_need_what_is_missing_do_not_work() {
        let works = |missing: &[Capability]| -> Vec<&str> {
            let findings: Vec<_> = missing.iter().map(|each| trial(missing).of(*each)).collect();
            let all = Means::ALL.into_iter();
            all.filter(|means| means.missing(&findings).is_empty()).map(Means::name).collect()
        };
        assert_eq!(works(&[]), Means::ALL.map(Means::name));
        assert!(works(&[Capability::Udp]).is_empty());
        let without = |capability, names: &[&str]| {
            let working = works(&[capability]);
            let expected = Means::ALL.map(Means::name).into_iter();
            assert_eq!(working, expected.filter(|name| !names.contains(name)).collect::<Vec<_>>());
        };
        without(Capability::Stop, &["pause", "starve"]);
        without(Capability::Refusal, &["partition, mode: reject"]);
        without(Capability::Ecn, &["packets, ecn"]);
        without(Capability::Limits, &["limit"]);
        without(Capability::Wake, &[]);
    }

    #[test]
    fn a_place_that_takes_no_files_is_named() {
        let trial = Trial { out: Path::new("/proc/nowhere/runs"), nodes: 3, missing: &[] };
        let why = trial.of(Capability::Sync).outcome.unwrap_err();
        assert!(why.starts_with("cannot write to /proc: "), "{why}");
    }

    #[test]
    fn too_many_sockets_are_too_many() {
        let nodes = 10_000;
        let why = Trial { nodes, ..trial(&[]) }.of(Capability::Descriptors).outcome.unwrap_err();
        assert!(why.contains("sockets for 10000 nodes could be opened"), "{why}");
    }
}
