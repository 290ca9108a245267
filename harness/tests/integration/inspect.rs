//! `faultline node inspect`, and a node on a directory that it must not use.

use std::path::PathBuf;

use node::raft::{Entry, HardState, LogIndex, LogWrite, NodeId, Payload, Term};
use node::storage::Storage;

use crate::support::{Place, check};

/// A data directory of n1 with three entries and a snapshot of the second, still open.
fn data_directory(place: &Place) -> (Storage, PathBuf) {
    let dir = place.path().join("data");
    let (mut storage, _) = Storage::open(&dir, NodeId(1)).unwrap();
    let entry = |index| {
        let payload = Payload::Command(vec![7; 100]);
        LogWrite::Append(Entry { index: LogIndex(index), term: Term(4), payload })
    };
    let hard_state = HardState { term: Term(4), vote: Some(NodeId(3)) };
    storage.persist(Some(hard_state), &[entry(1), entry(2), entry(3)]).unwrap();
    storage.save_snapshot(LogIndex(2), Term(4), b"voters", b"state").unwrap();
    (storage, dir.join("00000000000000000001.wal"))
}

#[test]
fn a_sound_directory_is_shown() {
    let place = Place::new();
    drop(data_directory(&place));
    let words = [
        "node       n1",
        "term 4, vote for n3",
        "entries 1 to 3, terms 4 to 4",
        "up to entry 2 of term 4, 5 bytes and 6 of metadata",
        "00000000000000000001.wal: ",
        "of segment 1: entry 3, term 4",
        "sound      a node can start here",
    ];
    check(&place, &["node", "inspect", "data"], 0, &words);
    let json = place.output(&["node", "inspect", "data", "--json"]);
    assert_eq!(json.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["sound"], &json["node"]), (&true.into(), &"n1".into()));
    assert_eq!(json["log"]["last_index"], 3);
    assert_eq!(json["segments"][0]["indices"], serde_json::json!([1, 3]));
}

#[test]
fn a_torn_write_is_sound_and_shown() {
    let place = Place::new();
    let (storage, segment) = data_directory(&place);
    drop(storage);
    let end = place.output(&["node", "inspect", "data", "--json"]);
    let end: serde_json::Value = serde_json::from_slice(&end.stdout).unwrap();
    let end = end["watermark"]["position"]["offset"].as_u64().unwrap() as usize;
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[end..end + 9].fill(1);
    std::fs::write(&segment, bytes).unwrap();
    let words = [format!("torn tail  9 bytes at byte {end} of data/0000"), "sound".into()];
    check(&place, &["node", "inspect", "data"], 0, &[&words[0], &words[1]]);
}

#[test]
fn a_damaged_directory_is_shown_and_no_node_starts_on_it() {
    let place = Place::new();
    let (storage, segment) = data_directory(&place);
    drop(storage);
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let what = "00000000000000000001.wal is damaged at byte ";
    check(&place, &["node", "inspect", "data"], 1, &["DAMAGED", what, "what stands before it"]);
    check(&place, &["node", "inspect", "data", "--json"], 1, &["\"sound\": false"]);
    let serve = ["node", "--id", "n1", "--listen", "127.0.0.1:0", "--data-dir", "data"];
    let rest = ["--certs", "certs", "--trace", "trace.jsonl", "--seed", "1"];
    let words = ["node n1: storage: data/0000", what, "the node must not take part"];
    check(&place, &[&serve[..], &rest].concat(), 4, &words);
}

#[test]
fn what_cannot_be_inspected_is_refused() {
    let place = Place::new();
    let (storage, _) = data_directory(&place);
    check(&place, &["node", "inspect", "data"], 2, &["data is in use by another process"]);
    drop(storage);
    check(&place, &["node", "inspect", "nowhere"], 2, &["nowhere", "No such file"]);
    std::fs::create_dir(place.path().join("empty")).unwrap();
    check(&place, &["node", "inspect", "empty"], 2, &["empty is not a data directory"]);
    check(&place, &["node", "inspect"], 2, &["<DIRECTORY>"]);
    check(&place, &["node"], 2, &["--id", "--data-dir"]);
    check(&place, &["node", "inspect", "data", "--id", "n1"], 2, &["--id"]);
}
