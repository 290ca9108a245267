//! What is done to processes, and that it is found out when it is not.

use serde_json::Value;

use crate::support::{Place, check, text};

/// Three nodes, with these faults.
fn workload(system: &str, duration: &str, faults: &str) -> String {
    format!(
        "system: {{ kind: raft, nodes: 3{system} }}\nclients: {{ count: 6, rate: 200/s, routing: any }}\n\
         workload: {{ kind: register, keys: 3, mix: {{ read: 1, write: 2 }} }}\n\
         duration: {duration}\nfaults: {faults}\n"
    )
}

/// The line of the history with which a fault ended.
fn end(place: &Place, fault: &str) -> Value {
    let mark = format!(r#""fault":"{fault}","stage":"end""#);
    let history = place.history();
    let line = history.lines().find(|line| line.contains(&mark));
    serde_json::from_str(line.unwrap_or_else(|| panic!("{fault} has no end: {history}"))).unwrap()
}

#[test]
fn processes_end_in_every_way_and_come_back() {
    let place = Place::new();
    let faults = "\n  - { at: 500ms, for: 300ms, all_of: [terminate: { node: leader }] }\
                  \n  - { at: 3s, for: 200ms, all_of: [restart: { node: follower, how: terminate }] }\
                  \n  - { at: 5s, for: 1500ms, all_of: [restart: { node: n2, every: 300ms }] }\
                  \n  - { at: 8s, for: 300ms, all_of: [kill: { node: [n1, n3] }] }\
                  \n  - { at: 10s, for: 300ms, all_of: [kill: { node: all }] }";
    place.file("w.yaml", &workload("", "12s", faults));
    let run = place.output(&["run", "w.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));

    let terminated = end(&place, "f1");
    assert_eq!(terminated["value"]["nodes"][0]["status"], "exit status: 0");
    let effect = terminated["value"]["effect"].as_str().unwrap();
    assert!(effect.contains("led next, in term"), "{effect}");
    let once = &end(&place, "f2")["value"]["nodes"][0];
    assert_eq!(
        (&once["restarts"], &once["rounds"][0]["status"]),
        (&1.into(), &"exit status: 0".into())
    );
    let looped = end(&place, "f3")["value"]["nodes"][0].clone();
    let rounds = looped["rounds"].as_array().unwrap();
    assert!(
        rounds.len() >= 2 && rounds.iter().all(|round| round["status"] == "signal 9"),
        "{looped}"
    );
    let pids: std::collections::BTreeSet<_> =
        rounds.iter().map(|round| round["new_pid"].as_u64()).collect();
    assert_eq!(pids.len(), rounds.len(), "another process each time: {looped}");
    assert_eq!(end(&place, "f4")["value"]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(end(&place, "f5")["value"]["nodes"].as_array().unwrap().len(), 3);
    // What was done can be done again.
    let schedule =
        std::fs::read_to_string(place.path().join("runs/latest/schedule.jsonl")).unwrap();
    assert!(schedule.contains(r#"{"restart":{"node":"n2","every":"300ms"}}"#), "{schedule}");
    place.assert_no_processes();
}

#[test]
fn what_is_lost_for_ever_does_not_come_back() {
    let place = Place::new();
    let faults = "\n  - { at: 500ms, for: ever, all_of: [wipe: { node: n3 }] }\
                  \n  - { at: 1s, for: 200ms, all_of: [members: { remove: n3 }] }";
    place.file("w.yaml", &workload("", "3s", faults));
    let run = place.output(&["run", "w.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    let wiped = end(&place, "f1");
    let effect = wiped["value"]["effect"].as_str().unwrap();
    assert!(effect.contains("set aside") && effect.ends_with("for good"), "{effect}");
    assert!(wiped["value"]["nodes"][0]["new_pid"].is_null(), "{wiped}");
    // A voter that forgot its votes would have been called a violation.
    let trace =
        |incarnation| place.path().join(format!("runs/latest/trace/n3.{incarnation}.jsonl"));
    assert!(trace(1).exists() && !trace(2).exists());
    place.assert_no_processes();
}

#[test]
fn a_starved_node_is_stopped_over_and_over_and_let_go() {
    let place = Place::new();
    let faults = "[{ at: 500ms, for: 2s, all_of: [starve: { node: leader, cpu: 5% }] }]";
    place.file("w.yaml", &workload("", "3s", faults));
    let run = place.output(&["run", "w.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    let node = &end(&place, "f1")["value"]["nodes"][0];
    let figure = |name: &str| node[name].as_u64().unwrap();
    assert!(figure("stops") >= 2 && figure("stops_seen") > 0, "{node}");
    assert!(figure("cpu_ns") < figure("wall_ns") / 2, "{node}");
}

#[test]
fn a_node_that_may_open_no_files_stops_and_says_why_and_comes_back() {
    let place = Place::new();
    let faults = "[{ at: 500ms, for: 4s, all_of: [limit: { node: leader, open_files: 8 }] }]";
    place.file("w.yaml", &workload(", snapshot_entries: 20", "6s", faults));
    let run = place.output(&["run", "w.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    let node = &end(&place, "f1")["value"]["nodes"][0];
    assert_eq!(node["limit"], 8);
    assert!(
        node["before"].as_u64().unwrap() > 8 && node["complaints"].as_u64().unwrap() > 0,
        "{node}"
    );
    assert_eq!(node["status"], "exit status: 4", "{node}");
    assert!(node["log"].to_string().contains("Too many open files"), "{node}");
    assert!(!place.history().contains("node-died"), "its end is what the fault did");
}

#[test]
fn a_limit_that_nobody_feels_proves_nothing_and_is_lifted() {
    let place = Place::new();
    let faults = "[{ at: 500ms, for: 500ms, all_of: [limit: { node: n1, open_files: 900 }] }]";
    place.file("w.yaml", &workload("", "2s", faults));
    check(&place, &["run", "w.yaml"], 3, &["limited to 900 open files, 0 complaints, then"]);
    let node = &end(&place, "f1")["value"]["nodes"][0];
    assert_eq!(node["after"], node["before"]);
}

#[test]
fn every_node_in_turn_becomes_another_program() {
    let place = Place::new();
    let faults = "\n  - at: 500ms\n    sequence:\
                  \n      - { for: 1s, all_of: [upgrade: { node: n1, to: next }] }\
                  \n      - { for: 1s, all_of: [upgrade: { node: [n2, n3], to: next }] }\
                  \n      - { for: 500ms, all_of: [kill: { node: n2 }] }\
                  \n      - { for: 30s, all_of: [pause: { node: n3 }] }";
    place.file("w.yaml", &workload("", "60s", faults));
    check(&place, &["run", "w.yaml"], 2, &["w upgrades nodes: say with --next-bin"]);
    check(&place, &["run", "w.yaml", "--next-bin", "none"], 2, &["--next-bin none: No such file"]);
    check(
        &place,
        &["run", "w.yaml", "--node-bin", "n9=/bin/sh", "--next-bin", "/bin/sh"],
        2,
        &["no such node"],
    );

    let copy = |name: &str| {
        let path = place.path().join(name);
        std::fs::copy(env!("CARGO_BIN_EXE_faultline"), &path).unwrap();
        path.display().to_string()
    };
    let (other, next) = (copy("other"), copy("next"));
    let single = format!("n1={other}");
    let arguments = ["run", "w.yaml", "--seed", "1", "--node-bin", &single, "--next-bin", &next];
    let child = place.start_until(&arguments, r#""phase":"drive""#);
    let first = place.json("run.json");
    assert!(first["node_binaries"]["n1"]["path"].as_str().unwrap().ends_with("/other"));
    assert_eq!(first["next_binary"]["sha256"].as_str().unwrap().len(), 64);
    // A node that was upgraded and killed comes back as what it became.
    place.wait_until("n3 is paused", || {
        place.history().contains(r#""f":"pause","value":{"action""#)
    });
    let programs = place.programs();
    assert_eq!(programs.len(), 3, "{programs:?}");
    assert!(programs.iter().all(|program| program.ends_with("/next")), "{programs:?}");
    crate::support::signal(&child, rustix::process::Signal::INT);
    let run = child.wait_with_output().unwrap();
    assert_eq!(run.status.code(), Some(3), "interrupted: {}", text(&run));
    for fault in ["f1", "f2"] {
        let value = &end(&place, fault)["value"];
        assert!(value["effective"] == true && value["healed"] == true, "{value}");
        assert!(value["nodes"].as_array().unwrap().iter().all(|node| node["runs_next"] == true));
    }
}

#[test]
fn an_upgrade_that_does_not_start_is_taken_back_and_proves_nothing() {
    let place = Place::new();
    let faults = "[{ at: 500ms, for: 500ms, all_of: [upgrade: { node: n2, to: next }] }]";
    place.file("w.yaml", &workload("", "3s", faults));
    let broken = place.script("broken.sh", "#!/bin/sh\nexit 9\n").display().to_string();
    check(
        &place,
        &["run", "w.yaml", "--next-bin", &broken],
        3,
        &["the next version did not start"],
    );
    let value = &end(&place, "f1")["value"];
    assert!(value["effective"] == false && value["healed"] == true, "{value}");
}

#[test]
fn voters_that_forget_everything_are_convicted() {
    let place = Place::new();
    let faults = "[{ at: 2s, for: 300ms, all_of: [wipe: { node: n2 }] }]";
    place.file("w.yaml", &workload("", "4s", faults));
    let run = place.output(&["run", "w.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
    assert!(text(&run).contains("n2 lost entry"), "{}", text(&run));
    let node = &end(&place, "f1")["value"]["nodes"][0];
    assert_eq!((&node["aside"], &node["incarnation"]), (&"data/n2.wiped-1".into(), &2.into()));
    let aside = place.path().join("runs/latest/data/n2.wiped-1");
    assert!(std::fs::read_dir(aside).unwrap().count() > 0, "what it had is kept");
}

#[test]
fn a_kill_that_kills_nothing_and_a_pause_that_pauses_nothing_are_found_out() {
    for (sabotage, fault, words) in [
        ("kill-kills-nothing", "kill: { node: leader }", "killed (alive)"),
        ("kill-kills-nothing", "restart: { node: n1 }", "n1 killed and restarted once"),
        ("kill-kills-nothing", "wipe: { node: n1 }", "killed (alive)"),
        ("pause-pauses-nothing", "pause: { node: leader }", "does not show process"),
    ] {
        let place = Place::new();
        let faults = format!("[{{ at: 300ms, for: 300ms, all_of: [{fault}] }}]");
        place.file("w.yaml", &workload("", "8s", &faults));
        check(&place, &["run", "w.yaml", "--seed", "1", "--sabotage", sabotage], 3, &[words]);
    }
}
