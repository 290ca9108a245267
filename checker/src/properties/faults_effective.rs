//! Every fault did something to the system, let nothing through, and was healed. A fault without effect proves nothing.

use serde_json::Value;

use super::counted;
use crate::history::{Event, History, Stage};
use crate::verdict::{CheckReport, FaultReport, Verdict};

/// Name of the check.
pub const NAME: &str = "faults-effective";

/// The faults of a history, in the order in which they were planned.
pub fn faults(history: &History) -> Vec<FaultReport> {
    let of =
        |stage: Stage| history.nemesis().iter().filter(move |event| event.stage == Some(stage));
    of(Stage::Plan)
        .map(|plan| {
            let same = |event: &&Event| event.fault == plan.fault;
            fault(plan, of(Stage::Done).find(same), of(Stage::End).find(same))
        })
        .collect()
}

fn fault(plan: &Event, done: Option<&Event>, end: Option<&Event>) -> FaultReport {
    let kind = plan.value.as_object().and_then(|plan| plan.keys().next());
    let text = |event: Option<&Event>, field: &str| {
        event.and_then(|event| event.value[field].as_str()).map(str::to_string)
    };
    let error = end.and_then(|end| end.error.clone());
    let effect = match (end, error) {
        (None, _) => "cut off: the recording ends before the fault does".to_string(),
        (Some(_), Some(error)) => format!("not applied: {error}"),
        (Some(_), None) => text(end, "effect").unwrap_or_default(),
    };
    FaultReport {
        id: plan.fault.clone().unwrap_or_default(),
        kind: kind.cloned().unwrap_or_else(|| plan.f.clone()),
        action: text(done, "action").unwrap_or_else(|| in_words(&plan.value)),
        began: done.map(|event| event.time),
        ended: end.map(|event| event.time),
        effective: end.is_some_and(|end| end.value["effective"] == true),
        effect,
    }
}

/// A fault as it was planned, without the marks that only programs need: `{partition: {isolate: leader}}`.
fn in_words(plan: &Value) -> String {
    plan.to_string().replace('"', "").replace(':', ": ").replace(',', ", ")
}

/// Judges a history.
pub fn check(history: &History) -> CheckReport {
    let faults = faults(history);
    let mut doubts: Vec<_> = faults
        .iter()
        .filter(|fault| !fault.effective)
        .map(|fault| format!("{} ({}): {}", fault.id, fault.action, fault.effect))
        .collect();
    for end in history.nemesis().iter().filter(|event| event.stage == Some(Stage::End)) {
        let id = end.fault.as_deref().unwrap_or("a fault");
        if end.value["healed"] == false {
            doubts.push(format!("{id} was not healed"));
        }
        let leaked = leaked(&end.value);
        if leaked > 0 {
            doubts.push(format!("{id} let {leaked} packets through that it should have stopped"));
        }
    }
    if !doubts.is_empty() {
        CheckReport::new(
            NAME,
            Verdict::Unknown,
            format!("without effect, or not clean: {}", doubts.join("; ")),
        )
    } else if faults.is_empty() {
        let withheld = withheld(history);
        if withheld > 0 {
            let detail = format!("all {} withheld: {BUDGET}", counted(withheld, "fault"));
            return CheckReport::new(NAME, Verdict::Unknown, detail);
        }
        let detail = format!("no faults were planned{}", left_out(history));
        CheckReport::new(NAME, Verdict::Valid, detail)
    } else {
        let mut detail = format!("{} with effect, all healed", counted(faults.len(), "fault"));
        for (count, what) in
            [(withheld(history), format!("withheld: {BUDGET}")), (beyond(history), BEYOND.into())]
        {
            if count > 0 {
                detail += &format!("; {count} {what}");
            }
        }
        detail += &left_out(history);
        CheckReport::new(NAME, Verdict::Valid, detail)
    }
}

const BUDGET: &str = "with them no majority would have been whole";
const BEYOND: &str = "broke more than the system must bear: nobody could expect an answer then";

/// What a swarm left out of this run: a pass says nothing of that.
fn left_out(history: &History) -> String {
    let swarm = history.nemesis().iter().find(|event| event.f == "swarm");
    let left_out = swarm.and_then(|event| event.value["left_out"].as_array());
    let names: Vec<_> = left_out.into_iter().flatten().filter_map(|name| name.as_str()).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("; the swarm left out {}", names.join(", "))
    }
}

/// How many faults were not put in force, because too much would have been broken at once.
fn withheld(history: &History) -> usize {
    history.nemesis().iter().filter(|event| event.f == "withheld").count()
}

/// How many were put in force all the same.
fn beyond(history: &History) -> usize {
    history.nemesis().iter().filter(|event| event.value["beyond_budget"].is_string()).count()
}

fn leaked(end: &Value) -> u64 {
    let links = end["links"].as_object().into_iter().flat_map(|links| links.values());
    links.filter_map(|link| link["leaked"].as_u64()).sum()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::history::tests::of_nemesis;

    /// A line of the nemesis.
    pub(crate) fn nemesis(f: &str, value: &str) -> Event {
        let value: Value = serde_json::from_str(value).unwrap();
        let line = serde_json::json!({
            "index": 0, "time": 0, "process": "nemesis", "type": "info", "f": f, "value": value,
        });
        serde_json::from_value(line).unwrap()
    }

    fn stage(stage: Stage, value: &str) -> Event {
        let fault = Some("f1".to_string());
        Event { fault, stage: Some(stage), ..nemesis("start-partition", value) }
    }

    fn check_end(end: &str) -> CheckReport {
        let plan = stage(Stage::Plan, r#"{"partition":{"isolate":"leader"}}"#);
        let done = stage(Stage::Done, r#"{"action":"isolate leader n2"}"#);
        let nemesis = vec![plan, done, stage(Stage::End, end)];
        check(&of_nemesis(nemesis))
    }

    #[test]
    fn a_fault_must_bite_stop_what_it_should_and_heal() {
        let good = r#"{"effective":true,"healed":true,"effect":"57 packets dropped","links":{"n1->n2":{"leaked":0}}}"#;
        assert_eq!(check_end(good).verdict, Verdict::Valid);
        for (bad, words) in [
            (
                r#"{"effective":false,"healed":true,"effect":"0 packets dropped"}"#,
                "f1 (isolate leader n2): 0 packets",
            ),
            (r#"{"effective":true,"healed":false}"#, "not healed"),
            (
                r#"{"effective":true,"healed":true,"links":{"n1->n2":{"leaked":3}}}"#,
                "let 3 packets through",
            ),
        ] {
            let report = check_end(bad);
            assert_eq!(report.verdict, Verdict::Unknown);
            assert!(report.detail.contains(words), "{}", report.detail);
        }
    }

    #[test]
    fn what_was_withheld_is_said_and_all_of_it_proves_nothing() {
        let withheld = nemesis("withheld", r#"{"why":"1 of 3 nodes would run"}"#);
        let report = check(&of_nemesis(vec![withheld.clone()]));
        assert_eq!(report.verdict, Verdict::Unknown);
        assert!(report.detail.contains("all 1 fault withheld"), "{}", report.detail);

        let plan = stage(Stage::Plan, r#"{"kill":{"node":"leader"}}"#);
        let done = stage(Stage::Done, r#"{"action":"kill leader n2","beyond_budget":"1 of 3"}"#);
        let end = stage(Stage::End, r#"{"effective":true,"healed":true}"#);
        let report = check(&of_nemesis(vec![plan, done, end, withheld]));
        assert_eq!(report.verdict, Verdict::Valid);
        for words in ["1 withheld", "1 broke more"] {
            assert!(report.detail.contains(words), "{}", report.detail);
        }
    }

    #[test]
    fn a_fault_that_was_not_applied_or_never_ended_is_without_effect() {
        let plan = stage(Stage::Plan, r#"{"kill":{"node":"leader"}}"#);
        let mut end = stage(Stage::End, r#"{"effective":false,"healed":true}"#);
        end.error = Some("no leader was found".into());
        let nemesis = vec![plan.clone(), end];
        let report = check(&of_nemesis(nemesis));
        assert!(report.detail.contains("not applied: no leader was found"), "{}", report.detail);
        let cut_off = of_nemesis(vec![plan]);
        assert_eq!(check(&cut_off).verdict, Verdict::Unknown);
        assert_eq!(faults(&cut_off)[0].kind, "kill");
    }

    #[test]
    fn a_run_without_faults_has_nothing_to_prove_here() {
        assert_eq!(check(&History::default()).verdict, Verdict::Valid);
    }
}
