//! Histories in few words, and what is expected of their checks.

use checker::history::History;
use checker::models::Model;
use checker::properties::{self, Options};
use checker::verdict::{CheckReport, Verdict, Violation};

/// A history from events `process type f value [key]`, values as JSON without blanks, separated by `;` or line ends. One event a millisecond;
/// process 1 asks node n1, and so on. `nemesis f value [node]` is a line of the nemesis, with `fault/stage` before its `f` where it has one.
pub(super) fn history(text: &str) -> History {
    let mut lines = String::new();
    let events = text.split([';', '\n']).map(str::trim).filter(|event| !event.is_empty());
    for (index, event) in events.enumerate() {
        let words: Vec<_> = event.split_whitespace().collect();
        let value = words.get(3).copied().unwrap_or("null");
        let value: serde_json::Value = serde_json::from_str(value).unwrap();
        let mut line = serde_json::json!({
            "index": index, "time": index * 1_000_000, "type": words[1], "f": words[2], "value": value,
        });
        let last = words.get(4).copied();
        match words[0].parse::<u64>() {
            Ok(process) => {
                line["process"] = process.into();
                line["node"] = format!("n{process}").into();
                if let Some(key) = last {
                    line["key"] = key.into();
                }
            }
            Err(_) => nemesis(&mut line, words[1], last),
        }
        lines += &(line.to_string() + "\n");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    History::read(file.path()).unwrap()
}

fn nemesis(line: &mut serde_json::Value, kind: &str, node: Option<&str>) {
    line["process"] = "nemesis".into();
    line["type"] = "info".into();
    if let Some((fault, stage)) = kind.split_once('/') {
        line["fault"] = fault.into();
        line["stage"] = stage.into();
    }
    if let Some(node) = node {
        line["node"] = node.into();
    }
}

pub(super) fn judge(model: Model, text: &str) -> CheckReport {
    properties::check(&history(text), model, &Options::default())
}

pub(super) fn check_valid(model: Model, text: &str) -> CheckReport {
    let report = judge(model, text);
    assert_eq!(report.verdict, Verdict::Valid, "{text}: {report:#?}");
    assert!(report.violations.is_empty());
    report
}

/// Expects that nothing was proved, for this reason.
pub(super) fn check_unknown(model: Model, text: &str, words: &str) {
    let report = judge(model, text);
    assert_eq!(report.verdict, Verdict::Unknown, "{text}: {report:#?}");
    assert!(report.detail.contains(words), "{}", report.detail);
}

/// Expects one violation with these words in its summary or explanation, and these culprits: `process 1 on n1: add 7`.
pub(super) fn check_invalid(model: Model, text: &str, words: &str, culprits: &[&str]) {
    is_invalid(&judge(model, text), words, culprits);
}

pub(super) fn is_invalid(report: &CheckReport, words: &str, culprits: &[&str]) {
    assert_eq!(report.verdict, Verdict::Invalid, "{report:#?}");
    let [violation] = report.violations.as_slice() else { panic!("{report:#?}") };
    assert!(told(violation).contains(words), "{words}: {violation:#?}");
    let operations = violation.operations.iter().map(|operation| {
        format!("{} {} {}", operation.process, operation.operation, operation.outcome)
    });
    assert_eq!(operations.collect::<Vec<_>>(), culprits, "{violation:#?}");
    assert!(violation.operations.iter().all(|operation| operation.node.is_some()));
    let ends = violation.operations.iter().filter_map(|operation| operation.completed).max();
    assert!(violation.time <= ends || violation.operations.is_empty(), "{violation:#?}");
}

fn told(violation: &Violation) -> String {
    format!("{} {}", violation.summary, violation.explanation.join(" "))
}

pub(super) fn figure(report: &CheckReport, name: &str) -> i64 {
    report.figures[name].as_i64().unwrap()
}

/// One operation that succeeds: `done(1, "add", "7", "7", "")`.
pub(super) fn done(process: u64, f: &str, value: &str, result: &str, key: &str) -> String {
    format!("{process} invoke {f} {value} {key}; {process} ok {f} {result} {key};")
}

pub(super) fn add(process: u64, element: u64) -> String {
    done(process, "add", &element.to_string(), &element.to_string(), "")
}

pub(super) fn read(process: u64, result: &str) -> String {
    done(process, "read", "null", result, "")
}
