//! Properties are reached by their names, on the command line's way and on a run's.

use std::path::Path;

use checker::judge::{Error, Judged, Question, judge};
use checker::models::Model;
use checker::verdict::{CheckReport, Verdict};

const BANK: &str = r#"{"index":0,"time":0,"process":1,"type":"invoke","f":"read","value":null}
{"index":1,"time":1,"process":1,"type":"ok","f":"read","value":{"a":11,"b":-1}}
"#;

/// Judges a bare history as a model.
fn judge_as(path: &Path, model: Model) -> Result<Judged, Error> {
    judge(path, &Question { model: Some(model), ..Question::default() })
}

#[test]
fn a_history_is_judged_by_its_model() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), BANK).unwrap();
    let judge = |model| judge_as(file.path(), model);
    let judgement = judge(Model::Bank).unwrap().judgement;
    assert_eq!((judgement.verdict, judgement.checks[0].name.as_str()), (Verdict::Invalid, "bank"));
    // Any operation has a latency; a queue has no read.
    assert_eq!(judge(Model::Latency).unwrap().judgement.checks[0].verdict, Verdict::Valid);
    assert!(judge(Model::TotalQueue).unwrap_err().to_string().contains("no operation `read`"));
}

#[test]
fn a_run_names_its_checks_and_what_they_expect() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("history.jsonl"), BANK).unwrap();
    for (options, expected) in
        [("{}", Verdict::Invalid), (r#"{"negative_balances":true}"#, Verdict::Valid)]
    {
        let plan = format!(
            r#"{{"judge":{{"model":"bank","checks":["bank","no-such"],"options":{options}}}}}"#
        );
        std::fs::write(dir.path().join("run.json"), plan).unwrap();
        let judgement = judge(dir.path(), &Question::default()).unwrap().judgement;
        assert_eq!(judgement.checks[0].verdict, expected, "{options}");
        assert_eq!(judgement.checks[1].verdict, Verdict::Unknown);
    }
}

#[test]
fn a_run_of_transactions_names_how_consistent_they_must_be() {
    let dir = tempfile::tempdir().unwrap();
    let steps = [r#"[["append","x",1]]"#, r#"[["r","x",[]]]"#, r#"[["r","x",[1]]]"#];
    let mut history = String::new();
    for (place, steps) in steps.iter().enumerate() {
        for (index, event_type) in [(2 * place, "invoke"), (2 * place + 1, "ok")] {
            history += &format!(
                "{{\"index\":{index},\"time\":{index},\"process\":{place},\"type\":\"{event_type}\",\"f\":\"txn\",\"value\":{steps}}}\n"
            );
        }
    }
    std::fs::write(dir.path().join("history.jsonl"), history).unwrap();
    let checks = r#"["strict-serializable","serializable","linearizable"]"#;
    let plan = format!(r#"{{"judge":{{"model":"list-append","checks":{checks}}}}}"#);
    std::fs::write(dir.path().join("run.json"), plan).unwrap();
    let judgement = judge(dir.path(), &Question::default()).unwrap().judgement;
    let told: Vec<_> =
        judgement.checks[..3].iter().map(|check| (check.name.as_str(), check.verdict)).collect();
    // The second transaction began when the first was over, and did not see it. What nothing is said of must be strictly serializable.
    let expected = [
        ("strict-serializable", Verdict::Invalid),
        ("serializable", Verdict::Valid),
        ("strict-serializable", Verdict::Invalid),
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_recording_is_asked_for_all_that_makes_it_prove_something() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("history.jsonl");
    std::fs::write(&path, BANK).unwrap();
    let plan = r#"{"judge":{"model":"bank","checks":["linearizable","latency"],"keys":["k"],
        "expect":{"ok":{"read":5},"recovers_within":1,"split_votes":1,"follower_reads":1}}}"#;
    std::fs::write(dir.path().join("run.json"), plan).unwrap();
    let names = |checks: &[CheckReport]| -> Vec<String> {
        checks.iter().map(|check| check.name.clone()).collect()
    };
    let judgement = judge(dir.path(), &Question::default()).unwrap().judgement;
    assert_eq!(
        names(&judgement.checks),
        [
            "bank",
            "latency",
            "nodes-alive",
            "recovery",
            "faults-effective",
            "operations",
            "final-reads",
            "split-votes",
            "follower-reads",
            "run-complete"
        ]
    );
    let bare = || judge_as(&path, Model::Bank).unwrap().judgement;
    assert_eq!(names(&bare().checks), ["bank", "operations"]);
    let drive = r#"{"index":2,"time":2,"process":"nemesis","type":"info","f":"phase","value":{"phase":"drive"}}"#;
    std::fs::write(&path, format!("{BANK}{drive}\n")).unwrap();
    assert_eq!(names(&bare().checks), ["bank", "operations", "run-complete"]);
    assert_eq!(bare().checks[2].verdict, Verdict::Unknown);
}

#[test]
fn what_cannot_be_judged_or_proved_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let cas = r#"{"index":0,"time":0,"process":1,"type":"invoke","f":"cas","value":3}"#;
    std::fs::write(file.path(), format!("{cas}\n")).unwrap();
    let wrong = judge_as(file.path(), Model::CasRegister).unwrap_err().to_string();
    assert!(wrong.ends_with("line 1: a cas carries its value as [old, new]"), "{wrong}");
    std::fs::write(file.path(), BANK).unwrap();
    let question = Question { model: Some(Model::Bank), certify: true, ..Default::default() };
    let wrong = judge(file.path(), &question).unwrap_err().to_string();
    assert!(wrong.contains("a check of bank gives no proofs"), "{wrong}");
}
