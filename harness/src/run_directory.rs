//! The directory of one run: where everything that is recorded goes (`docs/formats.md`).

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The content of `run.json`: how to judge the run, and how to repeat it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunInfo {
    /// Version of the format.
    pub(crate) format: u32,
    /// Version of this program.
    pub(crate) faultline: String,
    /// The commit that it was built from, where that is known.
    pub(crate) commit: Option<String>,
    /// Name of the workload.
    pub(crate) workload: String,
    /// The seed of everything random.
    pub(crate) seed: u64,
    /// The command that runs the same again.
    pub(crate) command: String,
    /// When the run began, UTC.
    pub(crate) started: String,
    /// The machine: `os`, `cpus`.
    pub(crate) host: BTreeMap<String, Value>,
    /// The nodes.
    pub(crate) nodes: Vec<String>,
    /// The binary under test: `path`, `sha256`.
    pub(crate) node_binary: BTreeMap<String, String>,
    /// The same of nodes that had another one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) node_binaries: BTreeMap<String, BTreeMap<String, String>>,
    /// The same of what nodes were upgraded to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_binary: Option<BTreeMap<String, String>>,
    /// The planted bug, if any.
    pub(crate) planted: Option<String>,
    /// What the checker is asked.
    pub(crate) judge: Value,
}

/// An empty directory of our own, and the names of what goes into it.
#[derive(Clone, Debug)]
pub(crate) struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// Creates `<parent>/<workload>-<time>-<seed>` and points `<parent>/latest` to it. If the name is taken, a number is added: two runs
    /// never share a directory.
    pub(crate) fn create(parent: &Path, workload: &str, seed: u64) -> anyhow::Result<Self> {
        let unwritable = || format!("cannot write to the output directory {}", parent.display());
        std::fs::create_dir_all(parent).with_context(unwritable)?;
        let base = format!("{workload}-{}-{seed}", stamp());
        for attempt in 1..1_000 {
            let name = if attempt == 1 { base.clone() } else { format!("{base}.{attempt}") };
            let path = parent.join(&name);
            match std::fs::create_dir(&path) {
                Ok(()) => {
                    let directory = Self { path };
                    for part in ["trace", "logs", "data", "certs"] {
                        std::fs::create_dir(directory.path.join(part)).with_context(unwritable)?;
                    }
                    point_latest(parent, &name);
                    return Ok(directory);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(unwritable),
            }
        }
        bail!("{} has a thousand runs of {base} already", parent.display())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where the nodes write what they did.
    pub(crate) fn traces(&self) -> PathBuf {
        self.path.join("trace")
    }

    pub(crate) fn trace(&self, node: &str, incarnation: u64) -> PathBuf {
        self.traces().join(format!("{node}.{incarnation}.jsonl"))
    }

    pub(crate) fn log(&self, node: &str, incarnation: u64) -> PathBuf {
        self.path.join("logs").join(format!("{node}.{incarnation}.log"))
    }

    pub(crate) fn data(&self, node: &str) -> PathBuf {
        self.path.join("data").join(node)
    }

    pub(crate) fn certs(&self) -> PathBuf {
        self.path.join("certs")
    }

    pub(crate) fn write_json<T: Serialize>(&self, name: &str, value: &T) -> anyhow::Result<()> {
        let path = self.file(name);
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// `20261124-101500`, UTC: sorts by age.
fn stamp() -> String {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    time.replace(['-', ':', 'Z'], "").replace('T', "-")
}

/// A convenience for people: if it cannot be made (another run is doing the same), nothing is lost.
fn point_latest(parent: &Path, name: &str) {
    let latest = parent.join("latest");
    let fresh = parent.join(format!(".latest-{}", std::process::id()));
    let _ = std::fs::remove_file(&fresh);
    if std::os::unix::fs::symlink(name, &fresh).is_ok() {
        let _ = std::fs::rename(&fresh, &latest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_of_one_second_get_two_directories_and_latest_is_the_last() {
        let parent = tempfile::tempdir().unwrap();
        let runs: Vec<_> =
            (0..3).map(|_| RunDirectory::create(parent.path(), "quick", 7).unwrap()).collect();
        assert_ne!(runs[0].path(), runs[1].path());
        assert_ne!(runs[1].path(), runs[2].path());
        let latest = std::fs::canonicalize(parent.path().join("latest")).unwrap();
        assert_eq!(latest, std::fs::canonicalize(runs[2].path()).unwrap());
    }

    #[test]
    fn a_parent_that_is_a_file_is_named_in_the_error() {
        let parent = tempfile::NamedTempFile::new().unwrap();
        let error = RunDirectory::create(parent.path(), "quick", 7).unwrap_err();
        assert!(error.to_string().contains("cannot write to the output directory"), "{error}");
    }
}
