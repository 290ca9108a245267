//! Workloads for the tests of other modules, and the workloads that we ship.

use std::path::Path;

use super::load::parse;
use super::{Workload, load};

/// Five nodes, 10 clients, 500/s, 30 s; `faults` is what stands after `faults:`.
fn written(work: &str, faults: &str) -> Workload {
    let text = format!(
        "system: {{ kind: raft, nodes: 5 }}\nclients: {{ count: 10, rate: 500/s }}\n\
         workload: {{ {work} }}\nduration: 30s\nfaults: {faults}\n"
    );
    parse(Path::new("test.yaml"), &text).unwrap_or_else(|error| panic!("{error}"))
}

/// A workload without faults and with this line for its mix.
pub(crate) fn workload(mix: &str) -> Workload {
    of_kind("register", &format!("keys: 8, {mix}"))
}

/// A workload without faults on objects of this kind.
pub(crate) fn of_kind(kind: &str, keys: &str) -> Workload {
    written(&format!("kind: {kind}, {keys}"), "[]")
}

/// A workload with these faults.
pub(crate) fn with_faults(faults: &str) -> Workload {
    written("kind: register, keys: 8, mix: { read: 5, write: 4, cas: 1 }", faults)
}

#[test]
fn every_workload_that_we_ship_is_good_and_says_first_what_it_stresses() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads")];
    let mut loaded = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let workload = load(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(Some(workload.name.as_ref()), path.file_stem(), "the name is the file's");
            let text = std::fs::read_to_string(&path).unwrap();
            let comment: String = text.lines().take_while(|line| line.starts_with('#')).collect();
            assert!(
                comment.contains("xpected verdict"),
                "{}: no verdict is promised",
                path.display()
            );
            loaded += 1;
        }
    }
    assert!(loaded >= 25, "only {loaded} workloads were found");
}
