//! Which programs are the nodes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cluster::OURSELVES;
use crate::run::Programs;
use crate::run_directory::RunInfo;
use crate::workload::Workload;

/// Arguments that name binaries.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct BinaryArguments {
    /// Another binary that keeps to the node contract (docs/formats.md), for all nodes or, as n2=PATH, for one; repeatable
    #[arg(long, value_name = "[NODE=]PATH", value_parser = node_binary)]
    node_bin: Vec<(Option<String>, PathBuf)>,
    /// What the fault `upgrade` restarts nodes as
    #[arg(long, value_name = "PATH")]
    next_bin: Option<PathBuf>,
}

/// `n2=PATH` or `PATH`. A path that begins like that can be written `./n2=…`.
fn node_binary(text: &str) -> Result<(Option<String>, PathBuf), String> {
    match text.split_once('=') {
        Some((node, path)) if node.parse::<node::raft::NodeId>().is_ok() => {
            Ok((Some(node.to_string()), path.into()))
        }
        _ => Ok((None, text.into())),
    }
}

impl BinaryArguments {
    /// The binaries, of which all that the workloads need are there.
    pub(super) fn programs<'a>(
        &self,
        workloads: impl IntoIterator<Item = &'a Workload>,
    ) -> Result<Programs, String> {
        let mut all = PathBuf::from(OURSELVES);
        let mut single = BTreeMap::new();
        for (node, path) in &self.node_bin {
            let path = executable("--node-bin", path)?;
            match node {
                Some(node) => drop(single.insert(node.clone(), path)),
                None => all = path,
            }
        }
        let next = self.next_bin.as_deref();
        let next = next.map(|path| executable("--next-bin", path)).transpose()?;
        for workload in workloads {
            if workload.needs_next_binary() && next.is_none() {
                let name = &workload.name;
                return Err(format!("{name} upgrades nodes: say with --next-bin to which binary"));
            }
            let names = workload.system.node_names();
            if let Some(stranger) = single.keys().find(|node| !names.contains(node)) {
                return Err(format!("--node-bin {stranger}=…: {} has no such node", workload.name));
            }
        }
        Ok(Programs { all, single, next })
    }

    /// What was said, or else what a run had.
    pub(super) fn or_recorded(&self, info: &RunInfo) -> Self {
        // If the nodes of the run were this program, another build of it stands in for the one that ran.
        let recorded = |binary: &BTreeMap<String, String>| {
            binary.get("path").filter(|path| !is_ourselves(path)).map(PathBuf::from)
        };
        let single = info.node_binaries.iter();
        let single =
            single.filter_map(|(node, binary)| Some((Some(node.clone()), recorded(binary)?)));
        let all = recorded(&info.node_binary).map(|path| (None, path));
        let node_bin = if self.node_bin.is_empty() {
            all.into_iter().chain(single).collect()
        } else {
            self.node_bin.clone()
        };
        let next = info.next_binary.as_ref().and_then(|binary| binary.get("path"));
        Self { node_bin, next_bin: self.next_bin.clone().or_else(|| next.map(PathBuf::from)) }
    }

    /// As they stand on a command line, each behind a space.
    pub(super) fn flags(&self) -> String {
        let mut flags = String::new();
        for (node, path) in &self.node_bin {
            let node = node.as_ref().map_or_else(String::new, |node| format!("{node}="));
            flags += &format!(" --node-bin {node}{}", path.display());
        }
        if let Some(path) = &self.next_bin {
            flags += &format!(" --next-bin {}", path.display());
        }
        flags
    }
}

fn is_ourselves(path: &str) -> bool {
    path == OURSELVES
        || std::fs::canonicalize(OURSELVES).is_ok_and(|ourselves| ourselves == Path::new(path))
}

fn executable(flag: &str, path: &Path) -> Result<PathBuf, String> {
    let found = std::fs::canonicalize(path)
        .map_err(|error| format!("{flag} {}: {error}", path.display()))?;
    let access = rustix::fs::access(&found, rustix::fs::Access::EXEC_OK);
    if !found.is_file() || access.is_err() {
        return Err(format!("{flag} {}: not an executable file", path.display()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_is_for_all_nodes_or_for_one() {
        let both = ["n2=/bin/sh", "/bin/cat", "./n2=x"].map(|text| node_binary(text).unwrap());
        let [one, all, path] = both;
        assert_eq!(one, (Some("n2".into()), "/bin/sh".into()));
        assert_eq!((all, path), ((None, "/bin/cat".into()), (None, "./n2=x".into())));
    }
}
