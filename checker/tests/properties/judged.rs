//! Properties are reached by their names, on the command line's way and on a run's.

use checker::judge::{Limits, judge_history, judge_run};
use checker::models::Model;
use checker::verdict::Verdict;

const BANK: &str = r#"{"index":0,"time":0,"process":1,"type":"invoke","f":"read","value":null}
{"index":1,"time":1,"process":1,"type":"ok","f":"read","value":{"a":11,"b":-1}}
"#;

#[test]
fn a_history_is_judged_by_its_model() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), BANK).unwrap();
    let judge = |model| judge_history(file.path(), Some(model), &Limits::default());
    let (_, judgement) = judge(Model::Bank).unwrap();
    assert_eq!((judgement.verdict, judgement.checks[0].name.as_str()), (Verdict::Invalid, "bank"));
    // Any operation has a latency; a queue has no read.
    assert_eq!(judge(Model::Latency).unwrap().1.checks[0].verdict, Verdict::Valid);
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
        let judgement = judge_run(dir.path(), &Limits::default()).unwrap();
        assert_eq!(judgement.checks[0].verdict, expected, "{options}");
        assert_eq!(judgement.checks[1].verdict, Verdict::Unknown);
    }
}
