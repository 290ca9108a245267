//! The judgement for people and for CI: terminal, HTML, JUnit, Markdown.

mod html;
mod junit;
mod markdown;
mod progress;
mod terminal;

use std::path::Path;

use anyhow::Context;
use checker::properties::{availability, host, nodes_alive, recovery, run_complete};
use checker::verdict::{CheckReport, Judgement, Verdict};

pub(crate) use progress::{Progress, Snapshot};
pub(crate) use terminal::{table, terminal};

use crate::run_directory::RunInfo;

/// Writes `report.html`, `junit.xml` and `summary.md` into a run directory.
pub(crate) fn write(directory: &Path, info: &RunInfo, judgement: &Judgement) -> anyhow::Result<()> {
    let page = html::page(directory, info, judgement)?;
    for (name, text) in [
        ("report.html", page),
        ("junit.xml", junit::junit(info, judgement)?),
        ("summary.md", markdown::summary(info, judgement)),
    ] {
        let path = directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The word for a verdict. Undecided is no kind of pass.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "PASS",
        Verdict::Invalid => "FAIL",
        Verdict::Unknown => "UNDECIDED",
    }
}

/// The check that decided the verdict: the first of those that are as bad as the whole. What is undecided because the run did not go to its end, or the
/// host was too slow, is so for that reason.
fn decisive(judgement: &Judgement) -> Option<&CheckReport> {
    let worst = judgement.verdict;
    let mut as_bad = judgement.checks.iter().filter(|check| check.verdict == worst);
    match worst {
        Verdict::Valid => None,
        Verdict::Invalid => as_bad.next(),
        Verdict::Unknown => {
            let first = [run_complete::NAME, host::NAME];
            let named =
                first.iter().find_map(|name| as_bad.clone().find(|check| check.name == *name));
            named.or_else(|| as_bad.next())
        }
    }
}

/// Why the verdict is what it is, in a line.
fn reason(judgement: &Judgement) -> String {
    let Some(check) = decisive(judgement) else { return "every check holds".into() };
    let as_bad = judgement.checks.iter().filter(|other| other.verdict == check.verdict).count();
    let others = match (as_bad - 1, check.verdict) {
        (0, _) => String::new(),
        (1, Verdict::Invalid) => "; 1 more check is violated".into(),
        (count, Verdict::Invalid) => format!("; {count} more checks are violated"),
        (1, _) => "; 1 more check is undecided".into(),
        (count, _) => format!("; {count} more checks are undecided"),
    };
    format!("{}: {}{others}", check.name, check.detail)
}

/// Whose fault it is, in a line: the last one of every report. (Where the harness failed there is no judgement: exit 4.)
fn cause(judgement: &Judgement) -> &'static str {
    let worst = judgement.checks.iter().filter(|check| check.verdict == judgement.verdict);
    let has = |name: &str| worst.clone().any(|check| check.name == name);
    match judgement.verdict {
        Verdict::Valid => "the system kept its promises",
        // Who is late and also wrong is wrong.
        Verdict::Invalid => match worst
            .clone()
            .all(|check| UNAVAILABLE.contains(&check.name.as_str()))
        {
            true if has(nodes_alive::NAME) => "the system was unavailable: a node ended by itself",
            true => "the system was unavailable",
            false => "the system broke a promise",
        },
        Verdict::Unknown if has(host::NAME) => "the host was too slow to judge",
        Verdict::Unknown => "nothing was proved",
    }
}

/// Checks that convict a system of not serving, not of a wrong answer.
const UNAVAILABLE: [&str; 3] = [availability::NAME, nodes_alive::NAME, recovery::NAME];

/// Nanoseconds as seconds, to the millisecond.
fn seconds(nanoseconds: u64) -> String {
    format!("{:.3}", nanoseconds as f64 / 1e9)
}

/// `1.356 s to 2.856 s`, as far as it is known.
fn span(began: Option<u64>, ended: Option<u64>) -> String {
    match (began, ended) {
        (Some(began), Some(ended)) => format!("{} to {} s", seconds(began), seconds(ended)),
        (Some(began), None) => format!("from {} s", seconds(began)),
        (None, _) => "never".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use checker::verdict::{FaultReport, OperationReport, OutcomeCounts, Violation};

    use super::*;

    pub(super) fn info() -> RunInfo {
        RunInfo {
            format: 1,
            faultline: "0.1.0".into(),
            commit: None,
            workload: "leader-storm".into(),
            seed: 7,
            command: "faultline run workloads/leader-storm.yaml --seed 7".into(),
            started: "2026-11-24T10:15:00Z".into(),
            host: BTreeMap::from([("cpus".to_string(), serde_json::json!(2))]),
            nodes: vec!["n1".into(), "n2".into()],
            node_binary: BTreeMap::from([("sha256".to_string(), "ab".repeat(32))]),
            node_binaries: BTreeMap::new(),
            next_binary: None,
            planted: None,
            judge: serde_json::json!({}),
        }
    }

    fn check(name: &str, verdict: Verdict, detail: &str) -> CheckReport {
        CheckReport::new(name, verdict, detail)
    }

    /// A judgement with this verdict, by a check that is called `linearizable`.
    pub(super) fn judgement(verdict: Verdict) -> Judgement {
        let mut linearizable = check("linearizable", verdict, "8 keys, 2 <b> & \"more\"");
        if verdict == Verdict::Invalid {
            linearizable.violations.push(Violation {
                summary: "key k3: stale read at 2.000 s: <script>alert(1)</script>".into(),
                time: Some(2_000_000_000),
                key: Some("k3".into()),
                explanation: vec!["Written by process 1.".into(), "Replaced by process 2.".into()],
                operations: vec![OperationReport {
                    process: 4,
                    node: Some("n1".into()),
                    operation: "read -> 17".into(),
                    outcome: "ok".into(),
                    invoked: 1_900_000_000,
                    completed: Some(2_000_000_000),
                }],
            });
        }
        Judgement {
            verdict,
            checks: vec![
                linearizable,
                check("election-safety", Verdict::Valid, "one leader a term"),
            ],
            faults: vec![FaultReport {
                id: "f1".into(),
                kind: "partition".into(),
                action: "isolate leader n2 (term 4)".into(),
                began: Some(1_000_000_000),
                ended: Some(2_500_000_000),
                effective: verdict != Verdict::Unknown,
                effect: "57 packets dropped on 8 links".into(),
            }],
            operations: BTreeMap::from([(
                "read".to_string(),
                OutcomeCounts { ok: 5, fail: 2, info: 1 },
            )]),
        }
    }

    #[test]
    fn the_decisive_check_is_the_first_as_bad_as_the_whole() {
        assert!(decisive(&judgement(Verdict::Valid)).is_none());
        assert_eq!(decisive(&judgement(Verdict::Invalid)).unwrap().name, "linearizable");
        assert_eq!(decisive(&judgement(Verdict::Unknown)).unwrap().name, "linearizable");
    }

    #[test]
    fn the_cause_tells_wrong_from_late_and_a_late_system_from_a_slow_host() {
        let told = |verdict, names: &[&str]| {
            let mut judged = judgement(Verdict::Valid);
            judged.verdict = verdict;
            judged.checks.extend(names.iter().map(|name| check(name, verdict, "")));
            cause(&judged)
        };
        assert_eq!(told(Verdict::Valid, &[]), "the system kept its promises");
        assert_eq!(told(Verdict::Invalid, &["recovery"]), "the system was unavailable");
        assert_eq!(told(Verdict::Invalid, &["recovery", "bank"]), "the system broke a promise");
        let died = told(Verdict::Invalid, &["nodes-alive", "recovery"]);
        assert_eq!(died, "the system was unavailable: a node ended by itself");
        assert_eq!(told(Verdict::Unknown, &["recovery", "host"]), "the host was too slow to judge");
        assert_eq!(told(Verdict::Unknown, &["operations"]), "nothing was proved");
    }

    #[test]
    fn the_reason_says_how_many_are_as_bad_and_names_the_interruption() {
        assert_eq!(reason(&judgement(Verdict::Valid)), "every check holds");
        let mut undecided = judgement(Verdict::Unknown);
        undecided.checks[0].detail = "no operation completed".into();
        assert_eq!(reason(&undecided), "linearizable: no operation completed");
        undecided.checks.push(check("operations", Verdict::Unknown, "write never succeeded"));
        undecided.checks.push(check("run-complete", Verdict::Unknown, "the run was interrupted"));
        let told = "run-complete: the run was interrupted; 2 more checks are undecided";
        assert_eq!(reason(&undecided), told);
        let mut violated = judgement(Verdict::Invalid);
        violated.checks[0].detail = "1 key".into();
        violated.checks.push(check("bank", Verdict::Invalid, "a total is wrong"));
        violated.checks.push(check("run-complete", Verdict::Unknown, "the run was interrupted"));
        assert_eq!(reason(&violated), "linearizable: 1 key; 1 more check is violated");
    }
}
