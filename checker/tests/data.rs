//! The recordings of other projects, with known verdicts. They lie beside a checkout, never in it; without them these tests say that they skip.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use checker::history::{History, Tuples};
use checker::judge::{Question, judge};
use checker::models::Model;
use checker::verdict::Verdict;
use serde_json::Value;

/// The folder of recordings, if it is there.
fn data() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let folder = std::env::var_os("FAULTLINE_DATA").map_or_else(|| beside.into(), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is absent", folder.display());
    None
}

/// One recording, as its index describes it.
struct Recording {
    path: PathBuf,
    name: String,
    row: Value,
}

fn index(data: &Path) -> Vec<Recording> {
    let index = std::fs::read_to_string(data.join("peers/INDEX.jsonl")).unwrap();
    let recording = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let name = row["path"].as_str().unwrap().to_string();
        Recording { path: data.join("peers").join(&name), name, row }
    };
    index.lines().map(recording).collect()
}

#[test]
fn every_recording_is_read_and_has_the_operations_that_its_index_counts() {
    let Some(data) = data() else { return };
    let recordings = index(&data);
    assert!(recordings.len() >= 101);
    for Recording { path, name, row } in recordings {
        let history = History::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let (mut ok, mut fail) = (0, 0);
        for count in history.counts().values() {
            (ok, fail) = (ok + count.ok, fail + count.fail);
        }
        assert_eq!(history.operations().len() as u64, row["ops"].as_u64().unwrap(), "{name}");
        if let Some(types) = row.get("types") {
            assert_eq!(ok, types["ok"].as_u64().unwrap_or(0), "{name}");
            assert_eq!(fail, types["fail"].as_u64().unwrap_or(0), "{name}");
        }
    }
}

/// The model that an index calls by another name than we do; nothing where none is meant.
fn model(row: &Value) -> Option<Model> {
    let named = row["model"].as_str().filter(|model| !model.is_empty());
    let named = named.or_else(|| row["checker"].as_str())?;
    let name = named.trim_start_matches("--model ").trim_start_matches("elle ");
    let name = name.split(['(', '{', ' ']).next()?;
    let ours = match name {
        "set" => "set-full",
        "counter" => "counter-bounds",
        other => other,
    };
    ours.parse().ok()
}

/// Judges a recording.
fn verdict(path: &Path, model: Model) -> Verdict {
    if model == Model::MultiRegister {
        let history = with_initial_values(path);
        return checker::check(&history, model).verdict;
    }
    judge(path, &Question { model: Some(model), ..Question::default() }).unwrap().judgement.checks
        [0]
    .verdict
}

/// The registers of Knossos' recording begin with 0, as its comment says: a first transaction writes that.
fn with_initial_values(path: &Path) -> History {
    let write = |event_type| {
        format!(
            "{{:type :{event_type}, :f :txn, :value [[:write :x 0] [:write :y 0]], :process 99, :time 0}}"
        )
    };
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.replacen('[', &format!("[{} {} ", write("invoke"), write("ok")), 1);
    History::from_bytes(text.as_bytes(), Tuples::default(), path).unwrap()
}

/// Recordings whose listed verdict is not ours: what we say, and why.
const DIFFERENT: [(&str, Verdict, &str); 4] = [
    (
        "knossos/cas-register/good/mongodb-v0-ack-rollback-.edn",
        Verdict::Unknown,
        "it has nothing but lines of the nemesis: nothing was judged, which is no pass",
    ),
    (
        "elle-cli/elle/rw-register.edn",
        Verdict::Invalid,
        "it reads a value that nobody wrote, which Elle does not look for",
    ),
    (
        "elle-cli/jepsen/counter.edn",
        Verdict::Unknown,
        "it has no read: nothing was judged, which is no pass",
    ),
    ("elle-cli/jepsen/counter.json", Verdict::Unknown, "the same"),
];

#[test]
fn every_recording_of_a_model_that_is_judged_has_its_verdict() {
    let Some(data) = data() else { return };
    let (mut judged, mut skipped) = (BTreeMap::<_, usize>::new(), Vec::new());
    let mut wrong = Vec::new();
    for Recording { path, name, row } in index(&data) {
        let Some(expected) = row["expect"].as_bool() else {
            skipped.push(format!("{name} (the index has words for its verdict)"));
            continue;
        };
        let Some(model) = model(&row) else {
            skipped.push(format!("{name} ({} is no model of ours)", row["model"]));
            continue;
        };
        let verdict = verdict(&path, model);
        let ours = DIFFERENT.iter().find(|(different, ..)| *different == name);
        let listed = if expected { Verdict::Valid } else { Verdict::Invalid };
        let (expected, why) = ours.map_or((listed, ""), |(_, verdict, why)| (*verdict, why));
        if verdict != expected {
            wrong.push(format!("{name}: {verdict:?}, not {expected:?} {why}"));
        }
        *judged.entry(model.name()).or_default() += 1;
    }
    println!("judged {judged:?}\nskipped for want of a model: {skipped:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(judged["cas-register"] >= 80, "{judged:?}");
}

#[test]
fn the_systems_that_were_recorded_for_this_project_have_their_verdicts() {
    let Some(data) = data() else { return };
    let mut judged = 0;
    for entry in std::fs::read_dir(data.join("systems")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = if name.contains(".invalid.") { Verdict::Invalid } else { Verdict::Valid };
        let model = if name.starts_with("redis-set") { Model::SetFull } else { Model::CasRegister };
        assert_eq!(verdict(&path, model), expected, "{name}");
        judged += 1;
    }
    assert!(judged >= 4);
}
