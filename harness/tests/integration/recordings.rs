//! Recordings without a run: judged, certified, verified, converted, drawn.

use crate::support::{Place, check};

/// One operation after another: `process f argument result`, both as JSON.
fn history(operations: &[(u64, &str, &str, &str)]) -> String {
    let mut lines = String::new();
    for (number, (process, f, argument, result)) in operations.iter().enumerate() {
        for (step, (event, value)) in [("invoke", argument), ("ok", result)].iter().enumerate() {
            let index = 2 * number + step;
            lines += &format!(
                r#"{{"index":{index},"time":{},"process":{process},"type":"{event}","f":"{f}","value":{value}}}"#,
                index * 1_000_000
            );
            lines.push('\n');
        }
    }
    lines
}

#[test]
fn a_certificate_proves_its_verdict_and_nothing_else() {
    let place = Place::new();
    let stale =
        history(&[(0, "write", "1", "1"), (0, "write", "2", "2"), (1, "read", "null", "1")]);
    let right = stale.replace(
        "\"type\":\"ok\",\"f\":\"read\",\"value\":1",
        "\"type\":\"ok\",\"f\":\"read\",\"value\":2",
    );
    place.file("stale.jsonl", &stale);
    place.file("right.jsonl", &right);
    for (file, code) in [("stale.jsonl", 1), ("right.jsonl", 0)] {
        check(&place, &["check", file, "--certificate", "c.json"], code, &["judged as register"]);
        check(&place, &["verify", "c.json", file], 0, &[]);
        let other = if code == 1 { "right.jsonl" } else { "stale.jsonl" };
        check(&place, &["verify", "c.json", other], 1, &["another history"]);
    }
    let certificate = std::fs::read_to_string(place.path().join("c.json")).unwrap();
    place.file("c.json", &certificate.replace("[0,1,1]", "[1,-1,2]"));
    check(&place, &["verify", "c.json", "right.jsonl"], 1, &[]);
    place.file("c.json", "no certificate");
    check(&place, &["verify", "c.json", "right.jsonl"], 2, &["c.json: not a certificate"]);
    check(&place, &["verify", "missing.json", "right.jsonl"], 2, &["missing.json"]);
}

#[test]
fn every_family_of_models_is_judged_from_the_command_line() {
    let place = Place::new();
    place.file(
        "queue.jsonl",
        &history(&[
            (0, "enqueue", "1", "1"),
            (0, "enqueue", "2", "2"),
            (1, "dequeue", "null", "2"),
            (1, "dequeue", "null", "1"),
        ]),
    );
    check(&place, &["check", "queue.jsonl"], 1, &["judged as queue", "out of order"]);
    let stale_set = history(&[(0, "add", "1", "1"), (1, "read", "null", "[]")]);
    place.file("set.jsonl", &stale_set);
    check(&place, &["check", "set.jsonl"], 1, &["judged as set"]);
    let noted = ["check", "queue.jsonl", "--consistency", "serializable"];
    check(&place, &noted, 1, &["are for transactions: of a queue they say nothing"]);
    let skew = history(&[
        (0, "txn", r#"[["append","x",1]]"#, r#"[["append","x",1]]"#),
        (1, "txn", r#"[["r","x",null]]"#, r#"[["r","x",[]]]"#),
    ]);
    place.file("txn.jsonl", &skew);
    let drawn = [
        "check",
        "txn.jsonl",
        "--model",
        "list-append",
        "--drawings",
        "drawn",
        "--certificate",
        "c.json",
    ];
    check(&place, &drawn, 1, &["strict-serializable", "G-single-item-realtime"]);
    assert!(std::fs::read_dir(place.path().join("drawn")).unwrap().count() >= 2);
    check(&place, &["verify", "c.json", "txn.jsonl"], 0, &[]);
    let weaker = ["check", "txn.jsonl", "--model", "list-append", "--consistency", "serializable"];
    check(&place, &weaker, 0, &["PASS"]);
    place
        .file("ids.jsonl", &history(&[(0, "generate", "null", "7"), (1, "generate", "null", "7")]));
    check(&place, &["check", "ids.jsonl"], 1, &["judged as unique-ids"]);
    // Refused before anything is judged: a found violation must not hide behind bad usage.
    let certified = ["check", "ids.jsonl", "--certificate", "c.json"];
    check(&place, &certified, 2, &["no certificate: a check of unique-ids gives no proofs"]);
}

#[test]
fn what_is_converted_has_the_same_verdict() {
    let place = Place::new();
    let stale =
        history(&[(0, "write", "1", "1"), (0, "write", "2", "2"), (1, "read", "null", "1")]);
    place.file("stale.jsonl", &stale);
    for form in ["stale.edn", "stale.edn.gz", "stale.log", "stale.jsonl.zst"] {
        check(&place, &["convert", "stale.jsonl", "--output", form], 0, &[]);
        check(&place, &["check", form], 1, &["lost write"]);
    }
    check(&place, &["convert", "stale.jsonl", "--output", "stale.parquet"], 0, &[]);
    let parquet = std::fs::read(place.path().join("stale.parquet")).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    check(&place, &["check", "stale.parquet"], 2, &["a Parquet table is only written"]);
    check(&place, &["convert", "stale.jsonl", "--to", "porcupine"], 2, &["line 1"]);
}
