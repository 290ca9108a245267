//! Workloads for the tests of other modules, and the workloads that we ship.

use std::path::Path;

use super::load::parse;
use super::{Workload, load};

/// Five nodes, 10 clients, 500/s, 30 s; `faults` is what stands after `faults:`.
fn written(mix: &str, faults: &str) -> Workload {
    let text = format!(
        "system: {{ kind: raft, nodes: 5 }}\nclients: {{ count: 10, rate: 500/s }}\n\
         workload:\n  kind: register\n  keys: 8\n  {mix}\nduration: 30s\nfaults: {faults}\n"
    );
    parse(Path::new("test.yaml"), &text).unwrap_or_else(|error| panic!("{error}"))
}

/// A workload without faults and with this line for its mix.
pub(crate) fn workload(mix: &str) -> Workload {
    written(mix, "[]")
}

/// A workload with these faults.
pub(crate) fn with_faults(faults: &str) -> Workload {
    written("mix: { read: 5, write: 4, cas: 1 }", faults)
}

#[test]
fn every_workload_that_we_ship_is_good_and_says_first_what_it_stresses() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads");
    let files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let workload = load(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(Some(workload.name.as_ref()), file.file_stem(), "the name is the file's");
        let text = std::fs::read_to_string(&file).unwrap();
        let comment: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(comment.contains("xpected verdict"), "{}: no verdict is promised", file.display());
    }
}
