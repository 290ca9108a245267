//! Whole runs on real processes, as a user starts them.

use crate::support::{Place, signal, text};
use rustix::process::Signal;

/// Three nodes for three seconds, with these faults.
fn workload(duration: &str, faults: &str) -> String {
    format!(
        "system: {{ kind: raft, nodes: 3 }}\nclients: {{ count: 6, rate: 200/s }}\n\
         workload: {{ kind: register, keys: 3, mix: {{ read: 1, write: 1, cas: 1 }} }}\n\
         duration: {duration}\nfaults: {faults}\n"
    )
}

/// Again and again: an isolated leader gives up as soon as it misses its majority, and one isolation alone may end without a stale read.
const ISOLATE_LEADER: &str =
    "[{ every: 1500ms, for: 1s, all_of: [partition: { isolate: leader }] }]";

#[test]
fn a_run_ends_in_a_verdict_that_can_be_had_again_from_its_files() {
    let place = Place::new();
    let faults = "\n  - { at: 200ms, for: 700ms, all_of: [kill: { node: leader }] }\
                  \n  - { at: 2s, for: 700ms, all_of: [pause: { node: any }] }\
                  \n  - { at: 3s, for: 700ms, all_of: [packets: { loss: 20%, delay: 10ms, jitter: 5ms }] }";
    place.file("w.yaml", &workload("4s", faults));
    let run = place.output(&["run", "w.yaml", "--seed", "7"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    assert!(text(&run).contains("faultline run w.yaml --seed 7"), "{}", text(&run));
    let verdict = place.json("verdict.json");
    assert_eq!(verdict["verdict"], "valid");
    let kinds: Vec<_> =
        verdict["faults"].as_array().unwrap().iter().map(|f| f["kind"].clone()).collect();
    assert_eq!(kinds, ["kill", "pause", "packets"]);
    assert!(
        verdict["faults"][0]["effect"].as_str().unwrap().contains("killed (signal 9), back as pid")
    );
    for file in
        ["run.json", "workload.yaml", "schedule.jsonl", "report.html", "junit.xml", "summary.md"]
    {
        assert!(place.path().join("runs/latest").join(file).exists(), "{file}");
    }
    assert!(!place.path().join("runs/latest/certs").exists(), "keys are not left behind");
    // The killed node told its trace in two incarnations.
    let traces = std::fs::read_dir(place.path().join("runs/latest/trace")).unwrap().count();
    assert_eq!(traces, 4);
    place.assert_no_processes();

    let check = place.output(&["check", "runs/latest", "--json"]);
    assert_eq!(check.status.code(), Some(0), "{}", text(&check));
    let again: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(again, verdict, "the files alone give the same judgement");
    let bare = place.output(&["check", "runs/latest/history.jsonl"]);
    assert_eq!(bare.status.code(), Some(0), "{}", text(&bare));
    assert!(text(&bare).contains("cas-register (guessed"), "{}", text(&bare));
    // The same without its last line: a run that was cut short acquits nobody.
    let whole = place.history();
    let cut = whole.trim_end().rsplit_once('\n').unwrap().0;
    place.file("cut.jsonl", &format!("{cut}\n"));
    let cut = place.output(&["check", "cut.jsonl"]);
    assert_eq!(cut.status.code(), Some(3), "{}", text(&cut));
}

#[test]
fn a_planted_bug_is_convicted_of_the_right_violation() {
    let place = Place::new();
    place.file("w.yaml", &workload("10s", ISOLATE_LEADER));
    let run = place.output(&["run", "w.yaml", "--seed", "1", "--plant", "local-leader-read"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
    let checks = place.json("verdict.json")["checks"].clone();
    assert_eq!(
        (&checks[0]["name"], &checks[0]["verdict"]),
        (&"linearizable".into(), &"invalid".into())
    );
    let summary = checks[0]["violations"][0]["summary"].as_str().unwrap();
    // Nobody may have had the time to see the newer value.
    let is_old = summary.contains("stale read") || summary.contains("lost write");
    assert!(is_old, "{summary}");
    assert_eq!(place.json("run.json")["planted"], "local-leader-read");
}

/// Three nodes that are slow to agree, so that answers come too late and clients ask again.
fn counters() -> String {
    "system: { kind: raft, nodes: 3 }\n\
     clients: { count: 6, rate: 100/s, routing: leader, timeout: 150ms, retry_for: 10s }\n\
     workload: { kind: counter, keys: 2, mix: { add: 2, read: 1 } }\nduration: 4s\n\
     faults: [{ at: 200ms, for: 3500ms, all_of: [packets: { delay: 20ms, jitter: 80ms }] }]\n"
        .to_string()
}

#[test]
fn what_is_tried_again_within_a_session_happens_once_unless_sessions_are_ignored() {
    let place = Place::new();
    place.file("w.yaml", &counters());
    let run = place.output(&["run", "w.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    let checks = place.json("verdict.json")["checks"].clone();
    let names: Vec<_> = checks.as_array().unwrap().iter().map(|check| &check["name"]).collect();
    assert_eq!(names[..2], ["linearizable", "counter-bounds"]);
    assert!(names.iter().any(|name| **name == "state-digests"), "{names:?}");

    let arguments = ["run", "w.yaml", "--seed", "1", "--plant", "retry-applied-twice"];
    let run = place.output(&arguments);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
    let checks = place.json("verdict.json")["checks"].clone();
    assert_eq!(checks[0]["verdict"], "invalid");
    place.assert_no_processes();
}

#[test]
fn transactions_are_judged_by_their_dependencies_and_read_back() {
    let place = Place::new();
    let workload = "system: { kind: raft, nodes: 3 }\nclients: { count: 6, rate: 150/s }\n\
                    workload: { kind: list-append, keys: 12 }\nduration: 3s\n\
                    faults: [{ at: 500ms, for: 700ms, all_of: [kill: { node: leader }] }]\n";
    place.file("w.yaml", workload);
    let run = place.output(&["run", "w.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    let verdict = place.json("verdict.json");
    assert_eq!(verdict["checks"][0]["name"], "strict-serializable");
    assert!(text(&run).contains("all 12 keys were read back"), "{}", text(&run));
}

#[test]
fn a_fault_without_effect_proves_nothing() {
    let place = Place::new();
    let nothing = "[{ at: 500ms, for: 10ms, all_of: [packets: { loss: 0.0001% }] }]";
    place.file("w.yaml", &workload("1s", nothing));
    let run = place.output(&["run", "w.yaml"]);
    assert_eq!(run.status.code(), Some(3), "{}", text(&run));
    assert!(text(&run).contains("0 of "), "{}", text(&run));
}

#[test]
fn two_runs_at_once_do_not_disturb_each_other_and_the_worst_code_wins() {
    let place = Place::new();
    place.file("good.yaml", &workload("1s", "[]"));
    let nothing = "[{ at: 500ms, for: 10ms, all_of: [packets: { loss: 0.0001% }] }]";
    place.file("vacuous.yaml", &workload("1s", nothing));
    let arguments = ["run", "good.yaml", "vacuous.yaml", "--seed", "3"];
    let other = place.faultline(&arguments).stdout(std::process::Stdio::null()).spawn().unwrap();
    let run = place.output(&arguments);
    assert_eq!(run.status.code(), Some(3), "{}", text(&run));
    assert!(
        text(&run).contains("2 runs: 1 valid, 0 with a violation, 1 undecided"),
        "{}",
        text(&run)
    );
    assert_eq!(other.wait_with_output().unwrap().status.code(), Some(3));
    let directories = std::fs::read_dir(place.path().join("runs")).unwrap().count();
    assert_eq!(directories, 5, "four runs and `latest`");
}

#[test]
fn an_interrupted_run_heals_judges_what_it_has_and_is_no_pass() {
    for stop in [Signal::INT, Signal::TERM] {
        let place = Place::new();
        let pause = "[{ at: 500ms, for: 50s, all_of: [pause: { node: any }] }]";
        place.file("w.yaml", &workload("60s", pause));
        let child = place.start_until(&["run", "w.yaml"], r#""stage":"done""#);
        signal(&child, stop);
        let run = child.wait_with_output().unwrap();
        assert_eq!(run.status.code(), Some(3), "{}", text(&run));
        let history = place.history();
        assert!(
            history.contains(r#""f":"resume""#) && history.contains(r#""healed":true"#),
            "{stop:?}"
        );
        assert!(history.contains(r#""interrupted":true"#));
        assert_eq!(place.json("verdict.json")["verdict"], "unknown");
        place.assert_no_processes();
    }
}

#[test]
fn an_interrupted_run_that_has_a_violation_is_a_violation() {
    let place = Place::new();
    place.file("w.yaml", &workload("60s", ISOLATE_LEADER));
    let child =
        place.start_until(&["run", "w.yaml", "--plant", "local-leader-read"], r#""stage":"done""#);
    place.wait_until("a stale read was recorded", || {
        place.output(&["check", "runs/latest"]).status.code() == Some(1)
    });
    signal(&child, Signal::INT);
    let run = child.wait_with_output().unwrap();
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
}

#[test]
fn a_second_signal_and_sigkill_leave_no_process_behind_not_even_a_paused_one() {
    let pause = "[{ at: 200ms, for: 50s, all_of: [pause: { node: any }] }]";
    for twice in [true, false] {
        let place = Place::new();
        place.file("w.yaml", &workload("60s", pause));
        let child = place.start_until(&["run", "w.yaml"], r#""stage":"done""#);
        assert_eq!(place.processes().len(), 3, "{:?}", place.processes());
        if twice {
            signal(&child, Signal::INT);
            place.wait_until("the first signal was taken", || {
                place.history().contains(r#""f":"resume""#)
            });
            signal(&child, Signal::INT);
        } else {
            signal(&child, Signal::KILL);
        }
        let run = child.wait_with_output().unwrap();
        place.assert_no_processes();
        if twice {
            assert_eq!(run.status.code(), Some(3), "{}", text(&run));
        } else {
            // What was recorded up to that instant can be judged, and acquits nobody.
            let check = place.output(&["check", "runs/latest"]);
            assert_eq!(check.status.code(), Some(3), "{}", text(&check));
            assert!(text(&check).contains("cut off"), "{}", text(&check));
        }
    }
}

#[test]
fn a_node_that_dies_uninvited_is_a_violation() {
    let place = Place::new();
    place.file("w.yaml", &workload("4s", "[]"));
    let faultline = env!("CARGO_BIN_EXE_faultline");
    // Only n2 dies, two seconds after its start.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *'--id n2 '*) ;; *) exec {faultline} \"$@\" ;; esac\n\
         {faultline} \"$@\" &\nsleep 2\necho 'out of luck' >&2\nkill -9 $!\nexit 7\n"
    );
    place.script("node.sh", &script);
    let run = place.output(&["run", "w.yaml", "--node-bin", "node.sh"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
    assert!(text(&run).contains("n2 ended by itself (exit status: 7)"), "{}", text(&run));
    assert!(text(&run).contains("out of luck"), "the end of its log is shown: {}", text(&run));
    place.assert_no_processes();
}

#[test]
fn the_first_violation_ends_a_run_that_fails_fast_and_only_a_violation_does() {
    let place = Place::new();
    place.file("w.yaml", &workload("60s", ISOLATE_LEADER));
    // Sixty seconds would outlast the test: only a violation ends it sooner.
    let arguments = ["run", "w.yaml", "--seed", "1", "--plant", "local-leader-read", "--fail-fast"];
    let run = place.output(&arguments);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
    assert!(text(&run).contains("stopping at the first violation"), "{}", text(&run));
    let history = place.history();
    assert!(
        history.contains(r#""stopped_by":"violation""#) && history.contains(r#""healed":true"#)
    );
    let end: serde_json::Value = serde_json::from_str(history.lines().last().unwrap()).unwrap();
    assert!(end["time"].as_u64().unwrap() < 50_000_000_000, "{end}");
    // The verdict is that of the whole recording, and names the same moment.
    let checks = place.json("verdict.json")["checks"].clone();
    assert_eq!(checks[0]["verdict"], "invalid");
    let summary = checks[0]["violations"][0]["summary"].as_str().unwrap();
    // Nobody may have had the time to see the newer value.
    let is_old = summary.contains("stale read") || summary.contains("lost write");
    assert!(is_old && summary.contains("got ok for read"), "{summary}");
    place.assert_no_processes();

    place.file(
        "w.yaml",
        &workload("3s", "[{ at: 500ms, for: 1s, all_of: [kill: { node: leader }] }]"),
    );
    let run = place.output(&["run", "w.yaml", "--seed", "1", "--fail-fast"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    assert!(!text(&run).contains("not followed online"), "{}", text(&run));
}

#[test]
fn a_run_is_followed_from_outside_to_its_first_violation_or_its_end() {
    let place = Place::new();
    place.file("w.yaml", &workload("60s", ISOLATE_LEADER));
    let arguments = ["run", "w.yaml", "--seed", "1", "--plant", "local-leader-read"];
    let child = place.start_until(&arguments, r#""phase":"drive""#);
    let follow = place.output(&["check", "runs/latest", "--follow"]);
    assert_eq!(follow.status.code(), Some(1), "{}", text(&follow));
    assert!(text(&follow).contains("got ok for read"), "{}", text(&follow));
    assert!(!place.history().contains(r#""phase":"heal""#), "the run still goes on");
    signal(&child, Signal::INT);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));

    place.file("good.yaml", &workload("2s", "[]"));
    let run = place.output(&["run", "good.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    let follow = place.output(&["check", "runs/latest", "--follow"]);
    assert_eq!(follow.status.code(), Some(0), "{}", text(&follow));
}

#[test]
fn a_relay_that_ignores_its_faults_is_found_out() {
    for fault in ["partition: { isolate: leader }", "packets: { loss: 50% }"] {
        let place = Place::new();
        let faults = format!("[{{ at: 500ms, for: 1s, all_of: [{fault}] }}]");
        place.file("w.yaml", &workload("2s", &faults));
        let run =
            place.output(&["run", "w.yaml", "--seed", "1", "--sabotage", "relay-ignores-faults"]);
        assert_eq!(run.status.code(), Some(3), "{}", text(&run));
        assert!(
            text(&run).contains("packets through that it should have stopped"),
            "{}",
            text(&run)
        );
    }
}

#[test]
fn what_never_comes_proves_nothing_even_where_nothing_but_waiting_hangs_on_it() {
    let place = Place::new();
    let sequence = "[{ on: { operations: 100000 }, sequence: [{ wait: 100ms }, \
                    { for: 100ms, all_of: [kill: { node: any }] }] }]";
    place.file("w.yaml", &workload("1s", sequence));
    let run = place.output(&["run", "w.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(3), "{}", text(&run));
    assert!(text(&run).contains("100000 operations, which never came"), "{}", text(&run));
}

#[test]
fn a_fault_that_waits_for_a_leader_keeps_no_other_from_ending() {
    let place = Place::new();
    let faults = "[{ at: 300ms, for: 1s, all_of: [kill: { node: majority }] }, \
                  { at: 800ms, for: 200ms, all_of: [partition: { isolate: leader }] }]";
    place.file("w.yaml", &workload("4s", faults));
    let run = place.output(&["run", "w.yaml", "--seed", "1"]);
    // When the majority is back there is a leader again, and the partition finds whom it wants.
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
}

#[test]
fn a_full_output_ends_nothing() {
    let place = Place::new();
    place.file("w.yaml", &workload("1s", "[]"));
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut run = place.faultline(&["run", "w.yaml", "--seed", "1"]);
    let status = run.stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(place.path().join("runs/latest/report.html").exists());
}

#[test]
fn a_replay_of_what_the_workload_does_not_have_is_bad_input() {
    let place = Place::new();
    let faults = "[{ at: 200ms, for: 300ms, all_of: [kill: { node: n1 }] }]";
    place.file("w.yaml", &workload("1s", faults));
    let run = place.output(&["run", "w.yaml", "--seed", "1"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    for (file, from, to, words) in [
        (
            "schedule.jsonl",
            "\"node\":\"n1\"",
            "\"node\":\"n9\"",
            "schedule.jsonl: there is no node n9",
        ),
        (
            "run.json",
            "\"workload\": \"w\"",
            "\"workload\": \"../w\"",
            "run.json: a name has letters",
        ),
    ] {
        let path = place.path().join("runs/latest").join(file);
        let good = std::fs::read_to_string(&path).unwrap();
        assert!(good.contains(from), "{good}");
        std::fs::write(&path, good.replace(from, to)).unwrap();
        let replay = place.output(&["replay", "runs/latest"]);
        assert_eq!(replay.status.code(), Some(2), "{}", text(&replay));
        assert!(text(&replay).contains(words), "{}", text(&replay));
        std::fs::write(&path, good).unwrap();
    }
    // A run that was killed has no verdict yet.
    std::fs::remove_file(place.path().join("runs/latest/verdict.json")).unwrap();
    let replay = place.output(&["replay", "runs/latest"]);
    assert_eq!(replay.status.code(), Some(0), "{}", text(&replay));
    assert!(text(&replay).contains("valid came back in 1 of 1 runs"), "{}", text(&replay));
}

#[test]
fn a_recorder_that_loses_completions_or_time_is_found_out() {
    let place = Place::new();
    // One key is read back by one operation, after which its process does nothing.
    place.file("w.yaml", &workload("2s", "[]").replace("keys: 3", "keys: 1"));
    for (sabotage, run_code, check_code, words) in [
        ("recorder-drops-ack", 4, 2, "begins an operation while another is open"),
        ("recorder-drops-final-acks", 3, 3, "without completion"),
        ("clock-runs-backwards", 4, 2, "time runs backwards"),
    ] {
        let run = place.output(&["run", "w.yaml", "--seed", "1", "--sabotage", sabotage]);
        assert_eq!(run.status.code(), Some(run_code), "{sabotage}: {}", text(&run));
        assert!(text(&run).contains(words), "{}", text(&run));
        let check = place.output(&["check", "runs/latest"]);
        assert_eq!(check.status.code(), Some(check_code), "{sabotage}: {}", text(&check));
    }
    place.assert_no_processes();
}

#[test]
fn links_fail_in_every_way_and_say_so() {
    let place = Place::new();
    let cuts = [
        "partition: { isolate: leader, mode: hold }",
        "partition: { isolate: follower, mode: reject, clients: true }",
        "partition: { isolate: leader, direction: out, clients: true }",
        "packets: { reorder: 30%, reorder_by: 10ms, duplicate: 30%, corrupt: 5%, ecn: bleach }",
        "packets: { rebind: true }",
    ];
    let rule = |(place, cut)| format!("\n  - {{ at: {place}s, for: 700ms, all_of: [{cut}] }}");
    let faults: String = cuts.iter().enumerate().map(rule).collect();
    place.file("w.yaml", &workload("6s", &faults));
    let run = place.output(&["run", "w.yaml", "--seed", "3"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    let verdict = place.json("verdict.json");
    let faults = verdict["faults"].as_array().unwrap();
    for (fault, words) in faults.iter().zip([
        "packets held and ",
        "refused on 6 links",
        "packets dropped on",
        "corrupted",
        "6 links from a new port",
    ]) {
        let effect = fault["effect"].as_str().unwrap();
        assert!(effect.contains(words) && fault["effective"] == true, "{effect}");
    }
    // Only the replies to clients were stopped, not the requests.
    let history = place.history();
    let end = history.lines().find(|line| line.contains(r#""fault":"f3","stage":"end""#)).unwrap();
    assert!(end.contains("->clients") && !end.contains("clients->"), "{end}");
}
