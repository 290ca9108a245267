//! What the machine lets us do is tried, and a run that needs what is missing is refused before it starts.

use std::process::Command;

use crate::support::{Place, check, text};

/// In its fifth line, a fault that needs more than every run does.
const PAUSE: &str = "system: { kind: raft, nodes: 3 }\nclients: { count: 2, rate: 50/s }\n\
     workload: { kind: register, keys: 1 }\nduration: 1s\nfaults: [{ at: 100ms, for: 200ms, all_of: [pause: { node: any }] }]\n";

#[test]
fn the_doctor_says_of_each_fault_whether_it_works_here() {
    let place = Place::new();
    let doctor = place.output(&["doctor", "--json"]);
    assert_eq!(doctor.status.code(), Some(0), "{}", text(&doctor));
    let found: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let works = |list: &str, name: &str| {
        let all = found[list].as_array().unwrap();
        all.iter().find(|each| each["name"] == name).unwrap()["works"].clone()
    };
    for capability in [
        "udp",
        "descriptors",
        "signals",
        "parent-death",
        "proc",
        "sync",
        "stop",
        "limits",
        "ecn",
        "refusal",
    ] {
        assert_eq!(works("capabilities", capability), true, "{capability}: {found}");
    }
    assert!(
        !text(&doctor).contains("the harness is gone"),
        "the guard was there in time: {}",
        text(&doctor)
    );
    assert_eq!(works("faults", "pause"), true);

    let without = place.output(&["doctor", "--pretend-missing", "stop"]);
    assert_eq!(without.status.code(), Some(3), "{}", text(&without));
    for (word, fault) in [("DOES NOT", "pause"), ("works", "kill")] {
        let told = text(&without);
        let line = told.lines().find(|line| {
            line.contains(&format!(" {fault} ")) || line.ends_with(&format!(" {fault}"))
        });
        assert!(line.is_some_and(|line| line.contains(word)), "{fault}: {told}");
    }
}

#[test]
fn a_run_that_needs_what_is_missing_is_refused_before_it_starts() {
    let place = Place::new();
    place.file("pause.yaml", PAUSE);
    let words = [
        "pause.yaml:5:44: `pause` needs stop: --pretend-missing says so",
        "5 | faults:",
        "faultline doctor",
    ];
    check(&place, &["run", "pause.yaml", "--pretend-missing", "stop"], 4, &words);
    assert!(!place.path().join("runs").exists(), "nothing was started");
    // What no fault of it needs may be missing.
    check(
        &place,
        &["run", "pause.yaml", "--seed", "1", "--pretend-missing", "limits"],
        0,
        &["every check holds"],
    );
}

#[test]
fn too_few_files_are_found_out_by_opening_them() {
    let place = Place::new();
    place.file("pause.yaml", PAUSE);
    let run = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$0\" run pause.yaml", env!("CARGO_BIN_EXE_faultline")])
        .current_dir(place.path())
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(4), "{}", text(&run));
    for words in [
        "pause.yaml: every run needs descriptors: ",
        "sockets for 3 nodes could be opened",
        "ulimit -n",
    ] {
        assert!(text(&run).contains(words), "{words}: {}", text(&run));
    }
    assert!(!place.path().join("runs").exists());
}
