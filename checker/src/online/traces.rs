//! The traces of a running cluster: read again and again, and judged by every property of Raft that a run asks for.
//!
//! Files are read one after another while they are written, so one reading may show what a node heard and not yet what made another say it: an
//! acknowledgement, say, whose append is missing. Nothing that a file shows can have been caused by a line that is written later than the
//! whole reading. So what convicts in one reading convicts only if the next reading says it again, in the same words.

use std::path::{Path, PathBuf};

use super::pace::Pace;
use crate::properties::raft;
use crate::trace::{self, Trace};
use crate::verdict::{CheckReport, Verdict};

/// The traces of a run while it goes on.
#[derive(Debug)]
pub(super) struct Traces {
    folder: PathBuf,
    checks: Vec<String>,
    pace: Pace,
    /// What the last reading said that the one before had not.
    suspected: Vec<String>,
}

impl Traces {
    /// The traces of a folder that need not be there yet; of the checks only those of Raft are made.
    pub(super) fn new(folder: &Path, checks: &[String]) -> Self {
        let is_of_raft = |name: &&String| raft::PROPERTIES.iter().any(|(known, _)| known == *name);
        let checks = checks.iter().filter(is_of_raft).cloned().collect();
        let (pace, suspected) = (Pace::default(), Vec::new());
        Self { folder: folder.to_path_buf(), checks, pace, suspected }
    }

    /// Reads the traces, if there is anything to check and the last look is long enough ago. The first check that convicted twice.
    ///
    /// # Errors
    ///
    /// If a file is no trace.
    pub(super) fn look(&mut self) -> Result<Option<CheckReport>, trace::Error> {
        if self.checks.is_empty() || !self.pace.is_due() || !self.folder.is_dir() {
            return Ok(None);
        }
        let Self { folder, checks, suspected, .. } = self;
        self.pace.look(|| Ok(confirm(&trace::read_dir(folder)?, checks, suspected)))
    }
}

/// The first violation that was suspected before; all others are suspected from now on.
fn confirm(
    traces: &[Trace],
    checks: &[String],
    suspected: &mut Vec<String>,
) -> Option<CheckReport> {
    let reports = checks.iter().filter_map(|name| raft::check(name, traces));
    let convicting: Vec<_> = reports.filter(|report| report.verdict == Verdict::Invalid).collect();
    let before = std::mem::take(suspected);
    let summaries = |report: &CheckReport| -> Vec<String> {
        report.violations.iter().map(|violation| violation.summary.clone()).collect()
    };
    *suspected = convicting.iter().flat_map(summaries).collect();
    convicting
        .into_iter()
        .find(|report| summaries(report).iter().any(|summary| before.contains(summary)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::raft::tests::traces;

    fn named(checks: &[&str]) -> Vec<String> {
        checks.iter().map(|name| (*name).to_string()).collect()
    }

    const TWO_LEADERS: &str = "n1.1 3 leader 0@0\nn2.1 3 leader 0@0";

    #[test]
    fn what_only_one_reading_says_convicts_nobody() {
        let checks = ["election-safety".to_string()];
        let mut suspected = Vec::new();
        let bad = traces(TWO_LEADERS);
        assert_eq!(confirm(&bad, &checks, &mut suspected), None);
        assert_eq!(confirm(&traces("n1.1 3 leader 0@0"), &checks, &mut suspected), None);
        assert_eq!(confirm(&bad, &checks, &mut suspected), None);
        let report = confirm(&bad, &checks, &mut suspected).expect("said twice");
        assert_eq!(report.name, "election-safety");
    }

    #[test]
    fn only_checks_of_raft_are_made_and_only_where_there_are_traces() {
        let place = tempfile::tempdir().unwrap();
        let mut traces =
            Traces::new(&place.path().join("trace"), &named(&["linearizable", "bank"]));
        assert!(traces.checks.is_empty());
        assert!(matches!(traces.look(), Ok(None)));
        let mut traces = Traces::new(&place.path().join("trace"), &named(&["vote-once", "bank"]));
        assert_eq!(traces.checks, ["vote-once"]);
        assert!(matches!(traces.look(), Ok(None)), "no folder yet");
        std::fs::write(place.path().join("n1.jsonl"), "").unwrap();
        let mut traces = Traces::new(place.path(), &named(&["vote-once"]));
        assert!(traces.look().is_err(), "no name of a trace");
    }
}
