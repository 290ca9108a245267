//! From a file to a workload, or to everything that is wrong with it.

use std::path::Path;

use serde_path_to_error::Segment as PathSegment;

use super::Workload;
use super::diagnostics::{Diagnostic, Diagnostics, suggest};
use super::spans::{Node, Place, Problem, Segment};
use super::validate::validate;

/// No workload is longer.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a workload.
pub(crate) fn load(path: &Path) -> Result<Workload, Diagnostics> {
    let unreadable = |message: String| Diagnostics {
        path: path.to_path_buf(),
        text: String::new(),
        problems: vec![Diagnostic { place: None, message }],
    };
    let bytes_in_all = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if bytes_in_all > FILE_BYTES_MAX {
        return Err(unreadable("larger than 1 MiB: this is no workload".into()));
    }
    let bytes = std::fs::read(path)
        .map_err(|error| unreadable(format!("cannot read the workload: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("not UTF-8 text".into()))?;
    parse(path, &text)
}

/// Reads a workload from text; `path` is for messages and for the name.
pub(super) fn parse(path: &Path, text: &str) -> Result<Workload, Diagnostics> {
    let wrong =
        |problems| Diagnostics { path: path.to_path_buf(), text: text.to_string(), problems };
    let one = |place, message| wrong(vec![Diagnostic { place: Some(place), message }]);
    let map = Node::map(text).map_err(|Problem { place, message }| one(place, message))?;
    let mut workload = deserialise(text, &map).map_err(|(place, message)| one(place, message))?;
    if workload.name.is_empty() {
        workload.name =
            path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
    }
    let problems = validate(&workload, &map);
    if problems.is_empty() { Ok(workload) } else { Err(wrong(problems)) }
}

fn deserialise(text: &str, map: &Node) -> Result<Workload, (Place, String)> {
    // Into a value first: its errors come without a place of their own, and we know better places.
    let value: serde_yaml::Value = serde_yaml::from_str(text).map_err(|error| {
        let place =
            error.location().map_or(map.place, |at| Place { line: at.line(), column: at.column() });
        (place, error.to_string())
    })?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path: Vec<_> = error.path().iter().filter_map(segment).collect();
        explain(&plain(&error.inner().to_string()), &path, map)
    })
}

fn segment(segment: &PathSegment) -> Option<Segment> {
    match segment {
        PathSegment::Seq { index } => Some(Segment::Index(*index)),
        PathSegment::Map { key } => Some(Segment::Key(key.clone())),
        PathSegment::Enum { .. } | PathSegment::Unknown => None,
    }
}

/// Says in words what serde calls by the names of our types.
fn plain(message: &str) -> String {
    let Some((before, expected)) = message.rsplit_once("expected ") else {
        return message.to_string();
    };
    let expected = match expected {
        "u32" | "u64" | "usize" => "a whole number",
        "a sequence" => "a list",
        "a map" => "a mapping",
        _ if expected.starts_with("struct ") => "a mapping",
        expected => expected,
    };
    format!("{before}expected {expected}")
}

/// Puts serde's message into ours: the place of the word that is wrong, and the nearest that is right.
fn explain(message: &str, path: &[Segment], map: &Node) -> (Place, String) {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let [word, known @ ..] = words.as_slice() else {
        return (map.at(path).place, message.to_string());
    };
    let within = section(path, word);
    if message.starts_with("unknown field") {
        let place = map.at(&within).key(word).unwrap_or_else(|| map.at(&within).place);
        return (
            place,
            format!("unknown key `{word}`{}{}", in_section(&within), suggest(word, known)),
        );
    }
    if message.starts_with("missing field") {
        return (map.at(path).place, format!("missing key `{word}`{}", in_section(path)));
    }
    if message.starts_with("unknown variant") || message.starts_with("unknown target") {
        let what =
            if message.starts_with("unknown target") { "unknown target" } else { "unknown value" };
        return (map.at(path).place, format!("{what} `{word}`{}", suggest(word, known)));
    }
    (map.at(path).place, message.to_string())
}

/// The path of the mapping in which a key stands: an error about a key may come with the key at the end of its path.
fn section(path: &[Segment], word: &str) -> Vec<Segment> {
    match path.split_last() {
        Some((Segment::Key(key), rest)) if key == word => rest.to_vec(),
        _ => path.to_vec(),
    }
}

fn in_section(path: &[Segment]) -> String {
    let name = path.iter().rev().find_map(|segment| match segment {
        Segment::Key(key) => Some(key),
        Segment::Index(_) => None,
    });
    name.map_or_else(String::new, |name| format!(" in `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A correct workload, to be spoilt.
    const GOOD: &str = "\
name: good
system: { kind: raft, nodes: 5 }
clients:
  count: 10
  rate: 500/s
  routing: pinned
workload:
  kind: register
  keys: 8
  mix: { read: 5, write: 4, cas: 1 }
duration: 30s
faults:
  - every: 5s
    for: 2s
    one_of:
      - partition: { isolate: leader, direction: out }
      - kill: { node: any }
      - packets: { loss: 10%, delay: 40ms, jitter: 20ms }
checks: [linearizable]
expect:
  ok: { read: 100 }
  recovers_within: 10s
";

    /// Replaces `old` by `new` and expects one message that begins with `line:column: ` and contains the rest.
    fn check(old: &str, new: &str, expected: &str) {
        assert!(GOOD.contains(old), "{old}");
        let error = parse(Path::new("w.yaml"), &GOOD.replacen(old, new, 1)).expect_err(new);
        let first = error.to_string().lines().next().unwrap_or_default().to_string();
        assert_eq!(first, format!("w.yaml:{expected}"), "{new}");
    }

    #[test]
    fn the_good_one_is_good() {
        parse(Path::new("w.yaml"), GOOD).unwrap();
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_place_and_the_nearest_key() {
        check("duration:", "durration:", "11:1: unknown key `durration`; did you mean `duration`?");
        check(
            "nodes: 5",
            "nodess: 5",
            "2:23: unknown key `nodess` in `system`; did you mean `nodes`?",
        );
        check("  rate:", "  raet:", "5:3: unknown key `raet` in `clients`; did you mean `rate`?");
        check("cas: 1", "cass: 1", "10:29: unknown key `cass` in `mix`; did you mean `cas`?");
        check("    for:", "    fro:", "14:5: unknown key `fro` in `faults`; did you mean `for`?");
        check(
            "partition:",
            "partitoin:",
            "16:9: unknown key `partitoin` in `one_of`; did you mean `partition`?",
        );
        check(
            "isolate:",
            "isolat:",
            "16:22: unknown key `isolat` in `partition`; did you mean `isolate`?",
        );
        check(
            "jitter:",
            "jiter:",
            "18:44: unknown key `jiter` in `packets`; did you mean `jitter`?",
        );
        check(
            "expect:",
            "zzz:",
            "20:1: unknown key `zzz`; known are name, system, clients, workload, duration, faults, swarm, budget, checks, expect",
        );
    }

    #[test]
    fn a_wrong_value_is_named_with_its_place() {
        check("500/s", "500", "5:9: `500` is not a rate; write 500/s");
        check("500/s", "-5/s", "5:9: `-5/s` is not a rate; write 500/s");
        check("500/s", "0/s", "5:9: a rate of 0 asks for nothing");
        check("30s", "5x", "11:11: `5x` is not a duration; write 500ms, 2s or 1m");
        check("30s", "0s", "11:11: a run of no length proves nothing");
        check("nodes: 5", "nodes: 0", "2:30: a cluster has 1 to 9 nodes");
        check(
            "nodes: 5",
            "nodes: -1",
            "2:30: invalid value: integer `-1`, expected a whole number",
        );
        check(
            "nodes: 5",
            "nodes: many",
            "2:30: invalid type: string \"many\", expected a whole number",
        );
        check("keys: 8", "keys: 0", "9:9: at least one key is needed");
        check("count: 10", "count: 0", "4:10: at least one client is needed");
        check("pinned", "pined", "6:12: unknown value `pined`; did you mean `pinned`?");
        check("kind: raft", "kind: paxos", "2:17: unknown value `paxos`; known are raft");
        check(
            "[linearizable]",
            "[linearisable]",
            "19:10: unknown value `linearisable`; did you mean `linearizable`?",
        );
        check("10%", "110%", "18:26: `110%` is not a percentage; write 0% to 100%");
        check(
            "isolate: leader",
            "isolate: laeder",
            "16:31: unknown target `laeder`; did you mean `leader`?",
        );
        check("node: any", "node: n6", "17:23: there is no node n6: the nodes are n1 to n5");
        check("for: 2s", "for: 5s", "14:10: a fault must be shorter than its period of 5s");
        check(
            "every: 5s",
            "every: 40s",
            "13:12: the period is longer than the run: the fault would never happen",
        );
        check(
            "jitter: 20ms",
            "from: leader, to: leader",
            "18:18: no link leads from a node to itself",
        );
        check("read: 100 }", "reed: 100 }", "21:9: unknown operation `reed`; did you mean `read`?");
        check("mix: { read: 5,", "mix: {", "21:9: the mix has no read, so none can succeed");
        check(
            "nodes: 5",
            "nodes: 5.5",
            "2:30: invalid type: floating point `5.5`, expected a whole number",
        );
        check(
            "{ kind: raft, nodes: 5 }",
            "raft",
            "2:9: invalid type: string \"raft\", expected a mapping",
        );
        check("checks: [linearizable]", "checks: []", "19:9: at least one check is needed");
        check("[linearizable]", "[linearizable, linearizable]", "19:9: a check is named twice");
        check("rate: 500/s", "rate: 0.0000000001/s", "5:9: at least 0.01/s");
        check(
            "nodes: 5",
            "nodes: 5, election_timeout: 10ms",
            "2:51: at least 100ms: heartbeats come every 50ms",
        );
        check("read: 100", "read: 0", "21:9: an expectation of 0 expects nothing");
    }

    #[test]
    fn what_does_not_go_with_the_kind_is_said() {
        check("register", "registre", "8:9: unknown value `registre`; did you mean `register`?");
        check(
            "keys: 8",
            "keys: 8\n  accounts: 3",
            "10:13: `accounts` does not go with `kind: register`",
        );
        check(
            "kind: register",
            "kind: counter",
            "10:19: unknown key `write` in `mix`; known are read, add",
        );
        let mix = "mix: { read: 5, write: 4, cas: 1 }";
        check(
            "kind: register\n  keys: 8\n  mix: { read: 5, write: 4, cas: 1 }",
            "kind: lock\n  keys: 8\n  mix: {}",
            "10:8: a client of a lock acquires and releases in turn: there is no mix",
        );
        check(mix, "mix: { read: 0 }", "10:8: at least one operation must have a weight above 0");
        check("[linearizable]", "[bank]", "19:10: `bank` does not judge `kind: register`");
        check(
            "rate: 500/s",
            "rate: 500/s\n  retry_for: 1s",
            "6:14: longer than the time-out of one attempt, and at most 30s",
        );
        let kind = |spoilt: &str, expected: &str| {
            check(
                "kind: register\n  keys: 8\n  mix: { read: 5, write: 4, cas: 1 }",
                spoilt,
                expected,
            );
        };
        kind("kind: bank\n  keys: 1\n  accounts: 1", "10:13: from 2 to 1000");
        kind("kind: rw-register\n  keys: 1\n  txn_length: 0", "10:15: from 1 to 64");
        kind(
            "kind: set\n  keys: 1\n  elements: x",
            "10:13: invalid type: string \"x\", expected a whole number",
        );
    }

    #[test]
    fn what_makes_no_sense_for_processes_is_refused() {
        for (fault, message) in [
            (
                "kill: { node: clients }",
                "17:23: clients are no nodes: only `packets` go `from` them or `to` them",
            ),
            ("kill: { node: [n1, n9] }", "17:23: there is no node n9: the nodes are n1 to n5"),
            ("kill: { node: [n1, n1] }", "17:23: n1 is named twice"),
            ("kill: { node: [] }", "17:23: an empty list names nobody"),
            ("kill: { node: [n1, leader] }", "17:23: a list names nodes, and `leader` is none"),
            (
                "kill: { node: folower }",
                "17:23: unknown target `folower`; did you mean `follower`?",
            ),
            (
                "restart: { node: n2, every: 50ms }",
                "17:37: a node needs some time to come up: at least 100ms",
            ),
            (
                "restart: { node: n2, how: stop }",
                "17:35: unknown value `stop`; known are kill, terminate",
            ),
            (
                "starve: { node: n2, cpu: 95% }",
                "17:34: from 1% to 90%: below it is a `pause`, above nothing is felt",
            ),
            (
                "limit: { node: n1, open_files: 0 }",
                "17:40: a process without any descriptor cannot even be limited: at least 1",
            ),
            ("upgrade: { node: n1 }", "17:18: missing key `to` in `upgrade`"),
            ("upgrade: { node: n1, to: last }", "17:34: unknown value `last`; known are next"),
            (
                "partition: { isolate: minority }",
                "17:20: one node is isolated; for several there are `shape` and `grudge`",
            ),
            ("transfer: { to: majority }", "17:25: one node is meant"),
            (
                "packets: { loss: 5%, from: majority, to: majority }",
                "17:18: no link leads from a node to itself",
            ),
        ] {
            check("kill: { node: any }", fault, message);
        }
    }

    #[test]
    fn members_that_make_no_sense_are_refused() {
        let fault = |spoilt: &str, expected: &str| check("kill: { node: any }", spoilt, expected);
        fault("members: { promote: follower }", "17:18: the new voter must be named, as n4");
        fault(
            "members: { replace: leader }",
            "17:18: expected one of `demote`, `promote`, `remove`, or `replace` with `by`",
        );
        fault("members: { promote: n9 }", "17:29: there is no node n9: the nodes are n1 to n5");
        fault("members: { demote: all }", "17:28: one node is meant");
        fault("transfer: { to: leader }", "17:19: the leader leads already");
        let some = "2:42: the members are some of the nodes, or all";
        check("nodes: 5", "nodes: 5, members: 6", some);
        check("nodes: 5", "nodes: 5, members: 0", some);
        check(
            "nodes: 5",
            "nodes: 5, reads: leases",
            "2:40: unknown value `leases`; did you mean `lease`?",
        );
    }

    #[test]
    fn a_bank_is_filled_before_the_first_election_is_tested() {
        let text = GOOD
            .replacen("kind: register", "kind: bank", 1)
            .replacen("mix: { read: 5, write: 4, cas: 1 }", "mix: { read: 1 }", 1)
            .replacen("[linearizable]", "[bank]", 1);
        parse(Path::new("w.yaml"), &text).unwrap();
        let early = text.replacen("nodes: 5", "nodes: 5, first_election_timeout: 1s", 1);
        let error = parse(Path::new("w.yaml"), &early).unwrap_err().to_string();
        assert!(error.starts_with("w.yaml:2:57: a bank is filled before"), "{error}");
    }

    #[test]
    fn what_is_missing_or_twice_or_both_is_said() {
        check("duration: 30s\n", "", "1:1: missing key `duration`");
        check("  keys: 8\n", "", "8:3: missing key `keys` in `workload`");
        check(
            "duration: 30s",
            "duration: 30s\nduration: 10s",
            "12:1: `duration` stands here twice (first in line 11)",
        );
        check(
            "every: 5s",
            "every: 5s\n    at: 3s",
            "13:5: a fault rule has exactly one of `every`, `at` and `on`",
        );
        check(
            "kill: { node: any }",
            "kill: { node: any }\n        pause: { node: any }",
            "17:9: expected exactly one of `partition`, `packets`, `messages`, `kill`, `terminate`, `restart`, `pause`, `starve`, `limit`, `upgrade`, `wipe`, `members`, `transfer`",
        );
        check(
            "isolate: leader",
            "isolate: leader, shape: halves",
            "16:20: a partition has exactly one of `isolate`, `shape` and `grudge`",
        );
    }

    #[test]
    fn a_partition_or_packets_that_make_no_sense_are_refused() {
        for (cut, message) in [
            (
                "shape: minority-thirds",
                "16:29: unknown value `minority-thirds`; did you mean `minority-third`?",
            ),
            (
                "isolate: n1, mode: refuse",
                "16:41: unknown value `refuse`; known are drop, reject, hold",
            ),
            ("grudge: {}", "16:30: a grudge against nobody cuts nothing"),
            ("grudge: { n1: [n1] }", "16:36: no link leads from a node to itself"),
            ("grudge: { n1: [n7] }", "16:36: there is no node n7: the nodes are n1 to n5"),
            (
                "isolate: n1, flapping: { up: 0s, down: 1s }",
                "16:45: a link flaps only if it is both up and down for a while",
            ),
            (
                "isolate: n1, mode: reject, flapping: { up: 1s, down: 1s }",
                "16:59: what flaps is dropped or held, not rejected",
            ),
        ] {
            check("isolate: leader, direction: out", cut, message);
        }
        for (packets, message) in [
            ("from: n1", "18:18: nothing is done to the packets: say `loss`, `delay`, …"),
            ("loss: 1%, from: clients, to: clients", "18:18: clients send each other nothing"),
            ("delay: 61s", "18:18: a packet is late by a minute at most"),
            (
                "delay: 1s, distribution: normal",
                "18:45: without `jitter` there is nothing to distribute",
            ),
            (
                "reorder: 5%",
                "18:18: `reorder` says how many, `reorder_by` by how much: both are needed",
            ),
            (
                "delay: 1s, correlation: 5%",
                "18:44: nothing is left to chance that could be correlated",
            ),
            (
                "loss: 1%, correlation: 100%",
                "18:43: at 100% the luck of the first packet would be that of all",
            ),
            (
                "loss_bursts: { begin: 0%, end: 5% }",
                "18:33: a burst must be able to begin, to end, and to lose something",
            ),
            (
                "loss: 1%, loss_bursts: { begin: 1%, end: 5% }",
                "18:43: losses are either single (`loss`) or in bursts (`loss_bursts`)",
            ),
            ("rate: 5", "18:26: `5` is not a speed; write 200kB/s"),
            ("rate: 0kB/s", "18:26: a rate of 0 is a partition"),
            (
                "rate: 5kB/s, queue: 1kB",
                "18:40: a queue of less than 1500B has no room for a packet",
            ),
            ("mtu: 1300B, queue: 2kB", "18:39: without `rate` nothing queues"),
            ("mtu: 0B", "18:25: an MTU of 0 is a partition"),
            ("mtu: 1300", "18:25: `1300` is not a size; write 1300B, 64kB or 2MB"),
            ("ecn: blech", "18:25: unknown value `blech`; did you mean `bleach`?"),
        ] {
            check("loss: 10%, delay: 40ms, jitter: 20ms", packets, message);
        }
    }

    #[test]
    fn broken_yaml_is_said_with_its_place() {
        for (old, new) in [
            ("{ kind: raft", "{ kind: raft, ["),
            ("  count", "\tcount"),
            ("10s\n", "10s\n---\na: b\n"),
        ] {
            let error = parse(Path::new("w.yaml"), &GOOD.replacen(old, new, 1)).expect_err(new);
            assert!(error.problems[0].place.is_some_and(|place| place.line > 0), "{error}");
        }
        let aliased = GOOD.replacen("10s\n", "&a 10s\nname: *a\n", 1);
        assert!(parse(Path::new("w.yaml"), &aliased).is_err());
        let empty = parse(Path::new("w.yaml"), "# nothing\n").unwrap_err();
        assert_eq!(empty.to_string(), "w.yaml:1:1: the file is empty\n  1 | # nothing\n    | ^");
    }

    #[test]
    fn everything_that_makes_no_sense_is_said_at_once_with_the_line_shown() {
        let text = GOOD.replacen("nodes: 5", "nodes: 0", 1).replacen("keys: 8", "keys: 0", 1);
        let error = parse(Path::new("w.yaml"), &text).unwrap_err().to_string();
        let caret = "w.yaml:9:9: at least one key is needed\n  9 |   keys: 0\n    |         ^";
        assert!(error.contains("w.yaml:2:30: a cluster") && error.contains(caret), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = load(Path::new("no/such.yaml")).unwrap_err().to_string();
        assert!(error.starts_with("no/such.yaml: cannot read the workload: "), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("b.yaml");
        std::fs::write(&binary, [0xff, 0xfe, 0]).unwrap();
        assert!(load(&binary).unwrap_err().to_string().contains("not UTF-8"));
        std::fs::write(&binary, vec![b' '; FILE_BYTES_MAX as usize + 1]).unwrap();
        assert!(load(&binary).unwrap_err().to_string().contains("larger than 1 MiB"));
    }
}
