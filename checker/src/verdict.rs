//! Verdicts, how they merge, and the one table of exit codes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a check says. Unknown is never a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The property holds of everything that was recorded, and there was something to judge.
    Valid,
    /// Undecided: a limit was reached, or there was nothing to judge.
    Unknown,
    /// The property is violated.
    Invalid,
}

impl Verdict {
    /// The verdict over both: a violation outweighs everything, and unknown outweighs valid.
    pub fn merge(self, other: Self) -> Self {
        self.max(other)
    }
}

/// How a command ends. One table for every command (`docs/formats.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Every check is valid.
    Valid = 0,
    /// A violation was found.
    Violation = 1,
    /// Bad usage, an unreadable workload or a malformed recording.
    Usage = 2,
    /// Undecided, or nothing was proved.
    Undecided = 3,
    /// The run itself failed.
    RunFailed = 4,
}

impl ExitCode {
    /// Over several runs or files: 1 wins, then 4, then 3. (2 is found before anything runs, and outweighs all.)
    pub fn merge(self, other: Self) -> Self {
        let weight = |code: Self| match code {
            Self::Valid => 0,
            Self::Undecided => 1,
            Self::RunFailed => 2,
            Self::Violation => 3,
            Self::Usage => 4,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Valid => Self::Valid,
            Verdict::Unknown => Self::Undecided,
            Verdict::Invalid => Self::Violation,
        }
    }
}

/// Everything that was found about one recording: the content of `verdict.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// All checks merged.
    pub verdict: Verdict,
    /// Every check, in the order in which it is shown.
    pub checks: Vec<CheckReport>,
    /// Every fault of the history and what it did.
    pub faults: Vec<FaultReport>,
    /// How many operations ended how, by `f`.
    pub operations: BTreeMap<String, OutcomeCounts>,
}

/// One check and what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Name of the check, as in a workload: `linearizable`, `election-safety`, …
    pub name: String,
    /// What it says.
    pub verdict: Verdict,
    /// One line: what was judged, or why nothing could be.
    pub detail: String,
    /// What is wrong, when the verdict is invalid. The first is the one to read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// What was counted and measured, by name; the unit is the end of the name (`docs/checks.md`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, Value>,
}

impl CheckReport {
    /// What a check says when it found no violation.
    pub fn new(name: impl Into<String>, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            verdict,
            detail: detail.into(),
            violations: Vec::new(),
            figures: BTreeMap::new(),
        }
    }

    /// What a check says when it found violations.
    pub fn invalid(
        name: impl Into<String>,
        detail: impl Into<String>,
        violations: Vec<Violation>,
    ) -> Self {
        Self { violations, ..Self::new(name, Verdict::Invalid, detail) }
    }
}

/// A broken promise, with the evidence that a tired engineer needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// One sentence: what is impossible.
    pub summary: String,
    /// The moment at which it became certain, in nanoseconds since the run began; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// The key concerned, for a violation of a keyed history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The steps of the argument, one sentence each, in the order in which to read them.
    pub explanation: Vec<String>,
    /// The operations that the argument rests on, in order of invocation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationReport>,
}

/// One operation as it is shown in a violation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationReport {
    /// The client process.
    pub process: u64,
    /// The node that was asked, where it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The operation in words: `read -> 7`, `write 7`, `cas 3 -> 7`.
    pub operation: String,
    /// `ok`, `fail`, `info`, or `open` when it never completed.
    pub outcome: String,
    /// When it was invoked, in nanoseconds since the run began.
    pub invoked: u64,
    /// When it completed; absent for an operation that is still open or ended *info*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<u64>,
}

/// One fault, read back from the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// The fault's id in the history.
    pub id: String,
    /// What kind of fault: `partition`, `packets`, `kill`, `pause`.
    pub kind: String,
    /// What was done, in a few words: `isolate leader n2 (term 4)`.
    pub action: String,
    /// When it was in force, in nanoseconds since the run began; absent when it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<u64>,
    /// When it was over; absent when the history ends before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// Whether it did anything at all to the system.
    pub effective: bool,
    /// What it did, in a few words: `212 packets dropped on 8 links`, `pid 4711 killed, back as pid 4790`.
    pub effect: String,
}

/// How many operations of one kind ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCounts {
    /// Took effect.
    pub ok: u64,
    /// Certainly did not.
    pub fail: u64,
    /// Nobody knows; operations still open at the end included.
    pub info: u64,
}
