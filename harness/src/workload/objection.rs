//! What stands against a workload that is written correctly: where in the file it is asked for.

use std::path::Path;

use super::diagnostics::{Diagnostic, Diagnostics};
use super::fault::Fault;
use super::shape::Workload;
use super::spans::Node;
use super::validate::step_path;

/// Names every fault of a workload that something stands against, with its place in the file; and what stands against the workload as a whole.
pub(crate) fn object(
    path: &Path,
    workload: &Workload,
    whole: Option<String>,
    against: impl Fn(&Fault) -> Option<String>,
) -> Option<Diagnostics> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let map = Node::map(&text).ok();
    let mut problems: Vec<_> =
        whole.map(|message| Diagnostic { place: None, message }).into_iter().collect();
    for (number, rule) in workload.faults.iter().enumerate() {
        for (place, step) in rule.steps.iter().enumerate() {
            let path = step_path(number, rule, place);
            for (index, weighted) in step.faults.iter().enumerate() {
                let Some(message) = against(&weighted.fault) else { continue };
                let within = [path.as_slice(), &[step.choice.key().into(), index.into()]].concat();
                let place = map.as_ref().and_then(|map| map.at(&within).key(weighted.fault.kind()));
                problems.push(Diagnostic { place, message });
            }
        }
    }
    let path = path.to_path_buf();
    (!problems.is_empty()).then_some(Diagnostics { path, text, problems })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_that_is_objected_to_is_named_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.yaml");
        let yaml = "\
system: { kind: raft, nodes: 3 }
clients: { count: 2, rate: 50/s }
workload: { kind: register, keys: 1 }
duration: 9s
faults:
  - { at: 1s, for: 1s, all_of: [kill: { node: n1 }, pause: { node: n2 }] }
  - at: 3s
    sequence:
      - { for: 1s, one_of: [kill: { node: n1 }] }
      - { for: 1s, one_of: [pause: { node: n1 }] }
";
        std::fs::write(&path, yaml).unwrap();
        let workload = super::super::load(&path).unwrap();
        let objections = |whole: Option<&str>, kind: &str| -> Vec<String> {
            let against = |fault: &Fault| (fault.kind() == kind).then(|| "no".to_string());
            let diagnostics = object(&path, &workload, whole.map(str::to_string), against);
            let told = diagnostics.map(|diagnostics| diagnostics.to_string()).unwrap_or_default();
            let places = told.lines().filter_map(|line| line.split_once("w.yaml:"));
            places.map(|(_, place)| place.to_string()).collect()
        };
        assert_eq!(objections(None, "pause"), ["6:53: no", "10:29: no"]);
        assert_eq!(objections(Some("never"), "kill"), [" never", "6:33: no", "9:29: no"]);
        assert!(objections(None, "wipe").is_empty());
    }
}
