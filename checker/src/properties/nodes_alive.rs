//! No node dies uninvited. A node that was killed by the fault injector was invited.

use serde_json::Value;

use super::counted;
use crate::history::{Event, History};
use crate::verdict::{CheckReport, Verdict, Violation};

/// Name of the check.
pub const NAME: &str = "nodes-alive";

/// Judges a history.
pub fn check(history: &History) -> CheckReport {
    let deaths: Vec<_> = history.nemesis().iter().filter(|event| event.f == "node-died").collect();
    if deaths.is_empty() {
        return CheckReport::new(NAME, Verdict::Valid, "no node died uninvited");
    }
    let detail = format!("{} died uninvited", counted(deaths.len(), "node"));
    CheckReport::invalid(NAME, detail, deaths.into_iter().map(violation).collect())
}

fn violation(death: &Event) -> Violation {
    let node = death.node.as_deref().unwrap_or("a node");
    let status = death.value["status"].as_str().unwrap_or("for an unknown reason");
    let log = death.value["log"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Violation {
        summary: format!("{node} ended by itself ({status})"),
        time: Some(death.time),
        key: None,
        explanation: std::iter::once("Its log ends with:".to_string())
            .chain(log.map(str::to_string))
            .collect(),
        operations: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults_effective::tests::nemesis;
    use super::*;
    use crate::history::tests::of_nemesis;

    #[test]
    fn a_death_is_a_violation_that_names_the_node_and_shows_its_log() {
        assert_eq!(check(&History::default()).verdict, Verdict::Valid);
        let mut death =
            nemesis("node-died", r#"{"status":"exit status: 101","log":["thread panicked"]}"#);
        death.node = Some("n3".into());
        let report = check(&of_nemesis(vec![death]));
        assert_eq!(report.verdict, Verdict::Invalid);
        assert_eq!(report.violations[0].summary, "n3 ended by itself (exit status: 101)");
        assert!(report.violations[0].explanation.contains(&"thread panicked".to_string()));
    }
}
