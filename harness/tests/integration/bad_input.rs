//! Bad input of every kind: one clear message, the documented exit code, no stack trace.

use crate::support::{Place, check};

const GOOD: &str = "system: { kind: raft, nodes: 3 }\nclients: { count: 3, rate: 50/s }\n\
                    workload: { kind: register, keys: 1, mix: { read: 1, write: 1 } }\nduration: 1s\n";

#[test]
fn workloads() {
    let place = Place::new();
    place.file("good.yaml", GOOD);
    place.file("typo.yaml", &GOOD.replace("duration", "durration"));
    place.file("zero.yaml", &GOOD.replace("nodes: 3", "nodes: 0"));
    place.file(
        "nobody.yaml",
        &format!("{GOOD}faults: [{{ at: 0s, for: 1s, all_of: [kill: {{ node: n9 }}] }}]\n"),
    );
    check(
        &place,
        &["run", "typo.yaml"],
        2,
        &["typo.yaml:4:1: unknown key `durration`; did you mean `duration`?"],
    );
    check(&place, &["run", "zero.yaml"], 2, &["zero.yaml:1:30: a cluster has 1 to 9 nodes"]);
    check(&place, &["run", "nobody.yaml"], 2, &["there is no node n9: the nodes are n1 to n3"]);
    check(&place, &["run", "missing.yaml"], 2, &["missing.yaml: cannot read the workload"]);
    // Found before anything runs, although the first file is good.
    check(&place, &["run", "good.yaml", "typo.yaml"], 2, &["typo.yaml:4:1"]);
    assert!(!place.path().join("runs").exists(), "nothing was run");
}

#[test]
fn every_command_tells_its_exit_codes() {
    let place = Place::new();
    for command in ["run", "check", "convert", "verify", "node"] {
        check(&place, &[command, "--help"], 0, &["Exit codes: 0 "]);
    }
}

#[test]
fn usage() {
    let place = Place::new();
    place.file("good.yaml", GOOD);
    check(&place, &[], 2, &["Usage"]);
    check(&place, &["run"], 2, &["FILE"]);
    check(&place, &["runn"], 2, &["run"]);
    check(&place, &["run", "good.yaml", "--seed", "x"], 2, &["--seed"]);
    check(&place, &["run", "good.yaml", "--repeat", "0"], 2, &["--repeat"]);
    check(
        &place,
        &["run", "good.yaml", "--plant", "double-votes"],
        2,
        &["unknown bug `double-votes`", "double-vote"],
    );
    check(&place, &["check", "x", "--time-limit", "60x"], 2, &["--time-limit"]);
    check(
        &place,
        &["check", "x", "--model", "regster"],
        2,
        &["invalid value 'regster'", "cas-register"],
    );
}

#[test]
fn places_and_binaries() {
    let place = Place::new();
    place.file("good.yaml", GOOD);
    place.file("file", "");
    check(
        &place,
        &["run", "good.yaml", "--out", "file"],
        4,
        &["needs sync: cannot write to file: Not a directory"],
    );
    check(
        &place,
        &["run", "good.yaml", "--node-bin", "nowhere"],
        2,
        &["--node-bin nowhere", "No such file"],
    );
    check(&place, &["run", "good.yaml", "--node-bin", "file"], 2, &["not an executable file"]);
    place.script("dies.sh", "#!/bin/sh\necho 'no disk, no glory' >&2\nexit 9\n");
    let words = ["node n1", "ended before it was ready (exit status: 9)", "no disk, no glory"];
    check(&place, &["run", "good.yaml", "--node-bin", "dies.sh"], 4, &words);
    let liar = r#"{"ready":{"id":"n7","addr":"127.0.0.1:9"}}"#;
    place.script("lies.sh", &format!("#!/bin/sh\necho '{liar}'\nexec sleep 60\n"));
    let words = ["node n1: said that it was n7"];
    check(&place, &["run", "good.yaml", "--node-bin", "lies.sh"], 4, &words);
}

#[test]
fn recordings() {
    let place = Place::new();
    let invoke = r#"{"index":0,"time":0,"process":0,"type":"invoke","f":"write","value":1}"#;
    let ok = r#"{"index":1,"time":1,"process":0,"type":"ok","f":"write","value":1}"#;
    place.file("torn.jsonl", &format!("{}\n{ok}\n", &invoke[..40]));
    place.file(
        "twice.jsonl",
        &format!("{invoke}\n{}\n", invoke.replace("\"index\":0", "\"index\":1")),
    );
    place.file("orphan.jsonl", &format!("{ok}\n"));
    place.file("queue.jsonl", &format!("{}\n", invoke.replace("write", "enqueue")));
    place.file("empty.jsonl", "");
    place.file("open.jsonl", &format!("{invoke}\n"));
    check(&place, &["check", "missing.jsonl"], 2, &["cannot read missing.jsonl"]);
    check(&place, &["check", "torn.jsonl"], 2, &["torn.jsonl: line 1: not a history event"]);
    check(
        &place,
        &["check", "twice.jsonl"],
        2,
        &["line 2: process 0 begins an operation while another is open"],
    );
    check(
        &place,
        &["check", "orphan.jsonl"],
        2,
        &["line 1: process 0 completes an operation that it never began"],
    );
    let arguments = ["check", "queue.jsonl", "--model", "register"];
    check(
        &place,
        &arguments,
        2,
        &["line 1: a register has no operation `enqueue`", "--model queue"],
    );
    // Well-formed, but nothing is proved.
    check(
        &place,
        &["check", "empty.jsonl"],
        3,
        &["there is no operation in empty.jsonl: nothing was proved"],
    );
    check(&place, &["check", "open.jsonl"], 3, &["nothing was proved"]);
    std::fs::create_dir(place.path().join("dir")).unwrap();
    check(&place, &["check", "dir"], 2, &["dir/run.json"]);
}
