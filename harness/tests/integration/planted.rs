//! The planted bugs are the same everywhere: in the node, in what `--help` says, in the documentation and in `workloads/planted/`.

use std::collections::BTreeSet;
use std::path::Path;

use node::bug::Bug;

use super::support::{Place, text};

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn known() -> BTreeSet<String> {
    Bug::ALL.iter().map(Bug::to_string).collect()
}

#[test]
fn help_names_every_planted_bug() {
    let help = text(&Place::new().output(&["run", "--help"]));
    let words: BTreeSet<_> =
        help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
    let missing: Vec<_> = known().into_iter().filter(|name| !words.contains(&**name)).collect();
    assert!(missing.is_empty(), "not in --help: {missing:?}");
}

#[test]
fn the_documentation_has_a_row_for_every_planted_bug_and_no_other() {
    let page = std::fs::read_to_string(repository("docs/planted-bugs.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.map(str::to_string).collect::<BTreeSet<_>>(), known());
}

#[test]
fn every_planted_bug_has_a_workload_of_its_name() {
    let files = std::fs::read_dir(repository("workloads/planted")).unwrap();
    let stems = files.map(|file| file.unwrap().path().file_stem().unwrap().to_owned());
    let named: BTreeSet<_> = stems.map(|stem| stem.into_string().unwrap()).collect();
    assert_eq!(named, known());
}
