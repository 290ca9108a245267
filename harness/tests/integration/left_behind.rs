//! A harness that is killed at any moment leaves nothing behind, and what it recorded acquits nobody.

use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;

use crate::support::{Place, signal, text};

/// Faults one upon the other, of all kinds that outlive a harness that forgets them.
const STORM: &str = "system: { kind: raft, nodes: 3 }\nclients: { count: 4, rate: 100/s }\n\
     workload: { kind: register, keys: 3 }\nduration: 60s\nfaults:\n  \
     - { every: 400ms, for: 250ms, one_of: [pause: { node: any }, kill: { node: any }] }\n  \
     - { every: 700ms, for: 300ms, all_of: [partition: { isolate: any }] }\n  \
     - { every: 900ms, for: 600ms, all_of: [pause: { node: follower }] }\n";
/// The same without faults, to its end.
const QUIET: &str = "system: { kind: raft, nodes: 3 }\nclients: { count: 4, rate: 100/s }\n\
     workload: { kind: register, keys: 3 }\nduration: 1s\n";
/// Moments later than this are no new ones.
const LATEST_MS: u64 = 3_000;

/// `FAULTLINE_SWEEP` is how many moments; `FAULTLINE_SWEEP_SEED` the same ones again.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn fresh_seed() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64
}

/// The splitmix64 generator.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn a_harness_that_is_killed_at_any_moment_leaves_no_process_and_acquits_nobody() {
    let place = Place::new();
    place.file("storm.yaml", STORM);
    place.file("quiet.yaml", QUIET);
    let seed = setting("FAULTLINE_SWEEP_SEED", fresh_seed());
    let mut state = seed;
    for kill in 0..setting("FAULTLINE_SWEEP", 10) {
        let after = Duration::from_millis(draw(&mut state) % LATEST_MS);
        let case = format!("kill {kill} of seed {seed}, after {after:?}");
        let run = draw(&mut state).to_string();
        let mut child = place.faultline(&["run", "storm.yaml", "--seed", &run]).spawn().unwrap();
        let begin = Instant::now();
        std::thread::sleep(after.saturating_sub(begin.elapsed()));
        signal(&child, Signal::KILL);
        assert!(!child.wait().unwrap().success(), "{case}");
        // Nothing that is left could be stopped: there is nothing left.
        place.assert_no_processes();

        let check = place.output(&["check", "runs/latest"]);
        // Without a recording there is nothing to read; with one, nobody is acquitted.
        let begun = place.history().contains('\n');
        let expected: &[_] = if begun { &[1, 3] } else { &[1, 2, 3] };
        let code = check.status.code().unwrap();
        assert!(expected.contains(&code), "{case}: {code}: {}", text(&check));
    }
    let cleanup = place.output(&["cleanup"]);
    assert_eq!(cleanup.status.code(), Some(0), "{}", text(&cleanup));
    let run = place.output(&["run", "quiet.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    place.assert_no_processes();
}

/// A node behind a script, as a child of the node that the harness knows: the kernel does not end it with the harness.
fn script() -> String {
    let faultline = env!("CARGO_BIN_EXE_faultline");
    format!("#!/bin/sh\n{faultline} \"$@\" &\nwait\n")
}

#[test]
fn children_of_nodes_outlive_a_killed_harness_until_the_next_run_or_a_cleanup() {
    for by_run in [false, true] {
        let place = Place::new();
        place.file("long.yaml", &QUIET.replace("1s", "60s"));
        place.file("quiet.yaml", QUIET);
        place.script("node.sh", &script());
        let arguments = ["run", "long.yaml", "--node-bin", "node.sh"];
        let mut child = place.start_until(&arguments, r#""phase":"drive""#);
        let living = place.output(&["cleanup"]);
        assert_eq!(living.status.code(), Some(0), "{}", text(&living));
        assert!(text(&living).contains("still runs; left alone"), "{}", text(&living));
        assert!(child.try_wait().unwrap().is_none() && place.processes().len() == 6);
        signal(&child, Signal::KILL);
        child.wait().unwrap();
        place.wait_until("the scripts are gone, their children not", || {
            place.processes().len() == 3
        });

        let undone = match by_run {
            false => place.output(&["cleanup"]),
            true => place.output(&["run", "quiet.yaml", "--seed", "1"]),
        };
        assert_eq!(undone.status.code(), Some(0), "{}", text(&undone));
        let words = "process that a node had started";
        assert_eq!(text(&undone).matches(words).count(), 3, "{}", text(&undone));
        place.assert_no_processes();
        let again = place.output(&["cleanup"]);
        assert!(text(&again).contains("nothing is left to undo"), "{}", text(&again));
    }
}

#[test]
fn a_run_that_ends_closes_its_ledger() {
    let place = Place::new();
    place.file("quiet.yaml", QUIET);
    let run = place.output(&["run", "quiet.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    let ledger = std::fs::read_to_string(place.path().join("runs/latest/ledger.jsonl")).unwrap();
    assert!(ledger.ends_with("{\"closed\":{}}\n"), "{ledger}");
    assert_eq!(ledger.matches("\"undo\"").count(), ledger.matches("\"done\"").count());
    let nowhere = place.output(&["cleanup", "--out", "nowhere"]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere));
}

/// A node that first starts a process which leaves its group and holds its pipes, and tells its pid.
fn with_escaped_child() -> String {
    let faultline = env!("CARGO_BIN_EXE_faultline");
    format!("#!/bin/sh\nsetsid sleep 300 &\necho $! >> escaped\nexec {faultline} \"$@\"\n")
}

#[test]
fn a_child_that_left_the_group_of_its_node_hides_no_end_and_does_not_outlive_the_run() {
    let place = Place::new();
    let kill = "faults: [{ at: 200ms, for: 300ms, all_of: [kill: { node: n1 }] }]\n";
    place.file("w.yaml", &format!("{}{kill}", QUIET.replace("1s", "2s")));
    let script = with_escaped_child()
        .replace("escaped", &place.path().join("escaped").display().to_string());
    place.script("node.sh", &script);
    let run = place.output(&["run", "w.yaml", "--seed", "1", "--node-bin", "node.sh"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    assert!(text(&run).contains("killed (signal 9), back as pid"), "{}", text(&run));
    let escaped = std::fs::read_to_string(place.path().join("escaped")).unwrap();
    assert_eq!(escaped.lines().count(), 4, "one a node, and one of the node that came back");
    for pid in escaped.lines() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let is_sleep = stat.contains("(sleep)") && !stat.contains(") Z ");
        assert!(!is_sleep, "{stat}");
    }
}
