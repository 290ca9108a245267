//! Judging a recording: all checks that it calls for, merged into one judgement.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, Fingerprint, ObjectProof, consistency_of};
use crate::history::{self, History};
use crate::linearizability;
pub use crate::linearizability::Limits;
use crate::models::{Family, Model};
use crate::properties::host::Host;
use crate::properties::{
    self, faults_effective, final_reads, follower_reads, nodes_alive, operations, raft, recovery,
    run_complete, split_votes, wire_leaders,
};
use crate::trace::{self, Trace};
use crate::transactions::{self, Consistency, Drawing, NoTransactions};
use crate::verdict::{CheckReport, Judgement, Verdict};

/// What a run asks of the checker: the object `judge` of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgePlan {
    /// What the objects are, by name.
    pub model: String,
    /// The checks that the workload names.
    pub checks: Vec<String>,
    /// The keys that are read back after the heal.
    #[serde(default)]
    pub keys: Vec<String>,
    /// What must have happened.
    #[serde(default)]
    pub expect: Expectations,
    /// What the checks of histories expect beyond their defaults.
    #[serde(default, skip_serializing_if = "properties::Options::is_default")]
    pub options: properties::Options,
}

impl JudgePlan {
    /// Reads the plan of a run directory.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        read_plan(&dir.join("run.json"))
    }

    /// Everything that its history is judged as, and how consistent transactions must be.
    ///
    /// # Errors
    ///
    /// If the model is not one of this version.
    pub fn models(&self, question: &Question) -> Result<(Vec<Model>, Consistency), String> {
        let model = self.model.parse()?;
        let promise = self.checks.iter().find_map(|name| promised(name, model, question));
        let named = self.checks.iter().filter_map(|name| name.parse::<Model>().ok());
        let properties = named.filter(|model| model.family() == Family::Property);
        let models = promise.map(|_| model).into_iter().chain(properties).collect();
        Ok((models, promise.unwrap_or(question.consistency)))
    }
}

/// What must have happened for a run to prove anything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// How many operations of which kind must have succeeded.
    #[serde(default)]
    pub ok: BTreeMap<String, u64>,
    /// How soon after the heal the system must serve again, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovers_within: Option<u64>,
    /// How many terms must have had several candidates and no leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_votes: Option<u64>,
    /// How many reads nodes must have answered as followers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follower_reads: Option<u64>,
}

/// Why a recording cannot be judged at all. All of it is malformed input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The history.
    #[error(transparent)]
    History(#[from] history::Error),
    /// A trace.
    #[error(transparent)]
    Trace(#[from] trace::Error),
    /// The description of the run.
    #[error("{}: {reason}", path.display())]
    Run {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate of what gives no proofs.
    #[error(
        "no certificate: a check of {model} gives no proofs; without --certificate it is judged"
    )]
    NoProofs {
        /// What the history was to be judged as.
        model: Model,
    },
    /// An operation that the model does not have.
    #[error("{}: {reason}", path.display())]
    Operation {
        /// The history.
        path: PathBuf,
        /// Which operation, and what to do.
        reason: String,
    },
}

/// How a recording is to be judged, beyond what it says itself.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// What a bare history is of; guessed from its operations where nothing is said. A run says it itself.
    pub model: Option<Model>,
    /// What transactions must be.
    pub consistency: Consistency,
    /// What the checks of a bare history expect beyond their defaults.
    pub options: properties::Options,
    /// How much may be used.
    pub limits: Limits,
    /// Whether a certificate is wanted.
    pub certify: bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What the history was judged as.
    pub model: Model,
    /// All checks.
    pub judgement: Judgement,
    /// What shows the verdict on what clients saw, if it was wanted and the check gives proofs.
    pub certificate: Option<Certificate>,
    /// The cycles that were found among transactions.
    pub drawings: Vec<Drawing>,
}

/// Judges a run directory or a bare history file. Without a model, a bare history is judged as what its operations look like.
pub fn judge(path: &Path, question: &Question) -> Result<Judged, Error> {
    if path.is_dir() { run(path, question) } else { bare(path, question) }
}

/// Judges a history as one model, within the limits of [`Limits::default`].
///
/// Operations that the model does not have must not be in it: [`fits`] tells.
pub fn check(history: &History, model: Model) -> CheckReport {
    promise(history, model, &Question::default()).map_or_else(
        |wrong| {
            let detail = format!("line {}: {}", wrong.line, wrong.reason);
            CheckReport::new(model.name(), Verdict::Unknown, detail)
        },
        |promise| promise.report,
    )
}

fn run(dir: &Path, question: &Question) -> Result<Judged, Error> {
    let plan = JudgePlan::read(dir)?;
    let path = dir.join("history.jsonl");
    let history = History::read(&path)?;
    let model: Model =
        plan.model.parse().map_err(|reason| Error::Run { path: dir.join("run.json"), reason })?;
    let mut case = Case::new(&history, &path, model, question)?;
    let traces = read_traces(&dir.join("trace"))?;
    let goes_on = history.phase("end").is_none();
    for name in &plan.checks {
        match promised(name, model, question) {
            Some(consistency) => case.take_promise(consistency)?,
            None => {
                let check = |traces: &[Trace]| named_check(name, &history, &plan.options, traces);
                let report = check(&traces);
                let suspected = goes_on && report.verdict == Verdict::Invalid;
                case.checks.push(match suspected {
                    true => confirmed(report, check(&read_traces(&dir.join("trace"))?)),
                    false => report,
                });
            }
        }
    }
    case.checks.extend(wire_leaders::check(&history, &traces));
    case.checks.push(nodes_alive::check(&history));
    let host = Host::of(&history, plan.options.slow_host);
    if let Some(within) = plan.expect.recovers_within {
        case.checks.push(recovery::check(&history, Duration::from_nanos(within), &host));
    }
    case.checks.push(faults_effective::check(&history));
    case.checks.push(operations::check(&history, &plan.expect.ok));
    case.checks.push(final_reads::check(&history, &plan.keys));
    if let Some(expected) = plan.expect.split_votes {
        case.checks.push(split_votes::check(&traces, expected));
    }
    if let Some(expected) = plan.expect.follower_reads {
        case.checks.push(follower_reads::check(&history, expected));
    }
    case.checks.extend(host.check(&case.checks));
    case.checks.push(run_complete::check(&history));
    Ok(case.judged())
}

/// What a second reading of the traces says again of what a first one showed. The files of a run that goes on are read one after the other while they are
/// written, so one reading may show what a node heard and not yet what made another say it.
fn confirmed(first: CheckReport, second: CheckReport) -> CheckReport {
    let said = |summary: &String| first.violations.iter().any(|before| before.summary == *summary);
    if second.violations.iter().any(|violation| said(&violation.summary)) {
        return second;
    }
    let detail = "the traces are still being written: what one reading showed the next did not";
    CheckReport::new(first.name, Verdict::Unknown, detail)
}

fn bare(path: &Path, question: &Question) -> Result<Judged, Error> {
    let history = History::read(path)?;
    let model = question.model.unwrap_or_else(|| Model::guess(&history));
    let mut case = Case::new(&history, path, model, question)?;
    case.take_promise(question.consistency)?;
    case.checks.push(operations::check(&history, &BTreeMap::new()));
    if history.phase("drive").is_some() {
        // The history of a run of ours: one that was cut short acquits nobody.
        case.checks.push(run_complete::check(&history));
    }
    Ok(case.judged())
}

/// Whether a check that a run names is about the promise of its model: of transactions, how consistent they must be for it.
fn promised(name: &str, model: Model, question: &Question) -> Option<Consistency> {
    match model.family() {
        _ if name == linearizability::NAME => Some(question.consistency),
        Family::Transactions => name.parse().ok(),
        Family::Object | Family::Property => None,
    }
}

/// A check that a run names: a property of the history, or one of the traces.
fn named_check(
    name: &str,
    history: &History,
    options: &properties::Options,
    traces: &[Trace],
) -> CheckReport {
    match name.parse::<Model>() {
        Ok(Model::StateDigests) => properties::state_digests::check(history, traces),
        Ok(property) if property.family() == Family::Property => {
            properties::check(history, property, options)
        }
        _ => raft::check(name, traces).unwrap_or_else(|| {
            // A check of another version. What is not judged is not passed.
            let detail = "this version of faultline does not know this check";
            CheckReport::new(name, Verdict::Unknown, detail)
        }),
    }
}

/// A history that is being judged.
struct Case<'a> {
    history: &'a History,
    path: &'a Path,
    model: Model,
    question: &'a Question,
    checks: Vec<CheckReport>,
    certificate: Option<Certificate>,
    drawings: Vec<Drawing>,
}

impl<'a> Case<'a> {
    fn new(
        history: &'a History,
        path: &'a Path,
        model: Model,
        question: &'a Question,
    ) -> Result<Self, Error> {
        fits(history, model).map_err(|reason| Error::Operation { path: path.into(), reason })?;
        if question.certify && model.family() == Family::Property {
            return Err(Error::NoProofs { model });
        }
        let (checks, drawings) = (Vec::new(), Vec::new());
        Ok(Self { history, path, model, question, checks, certificate: None, drawings })
    }

    /// Judges what the model promises; transactions, whether they are so consistent.
    fn take_promise(&mut self, consistency: Consistency) -> Result<(), Error> {
        let Self { history, path, model, question, .. } = *self;
        let question = &Question { consistency, ..question.clone() };
        let promise = promise(history, model, question).map_err(|wrong| Error::Operation {
            path: path.to_path_buf(),
            reason: format!("line {}: {}", wrong.line, wrong.reason),
        })?;
        if let Some(proofs) = promise.proofs.filter(|_| question.certify) {
            let file = Fingerprint::of(path)
                .map_err(|source| history::Error::Io { path: path.to_path_buf(), source })?;
            let consistency = match model.family() {
                Family::Transactions => consistency.name(),
                _ => consistency_of(model),
            };
            let claim = (model, consistency);
            let certificate = Certificate::new(history, file, claim, &promise.report, &proofs);
            self.certificate = Some(certificate);
        }
        self.checks.push(promise.report);
        self.drawings = promise.drawings;
        Ok(())
    }

    fn judged(self) -> Judged {
        Judged {
            model: self.model,
            judgement: judgement(self.history, self.checks),
            certificate: self.certificate,
            drawings: self.drawings,
        }
    }
}

/// What was found about the promise of a model.
pub(crate) struct Promise {
    pub(crate) report: CheckReport,
    /// Nothing if the check gives no proofs, or making them costs something and none were wanted.
    proofs: Option<Vec<ObjectProof>>,
    drawings: Vec<Drawing>,
}

/// Judges what a model promises, which is everything that can be asked of it.
pub(crate) fn promise(
    history: &History,
    model: Model,
    question: &Question,
) -> Result<Promise, NoTransactions> {
    let limits = &question.limits;
    let (report, proofs, drawings) = match model.family() {
        Family::Object if question.certify => {
            let (report, proofs) = linearizability::check_with_proofs(history, model, limits);
            (report, Some(proofs), vec![])
        }
        Family::Object => (linearizability::check(history, model, limits), None, vec![]),
        Family::Transactions => {
            let findings = transactions::check(history, model, question.consistency, limits)?;
            let drawings = transactions::drawings(history, model, &findings);
            (findings.report, Some(findings.proofs), drawings)
        }
        Family::Property => (properties::check(history, model, &question.options), None, vec![]),
    };
    Ok(Promise { report, proofs, drawings })
}

fn judgement(history: &History, checks: Vec<CheckReport>) -> Judgement {
    let verdicts = checks.iter().map(|check| check.verdict);
    Judgement {
        verdict: verdicts.fold(Verdict::Valid, Verdict::merge),
        faults: faults_effective::faults(history),
        operations: history.counts(),
        checks,
    }
}

fn read_plan(path: &Path) -> Result<JudgePlan, Error> {
    #[derive(Deserialize)]
    struct Run {
        judge: JudgePlan,
    }
    let wrong = |reason| Error::Run { path: path.to_path_buf(), reason };
    let text = std::fs::read(path).map_err(|error| {
        wrong(format!("cannot be read: {error} (a run directory has a run.json; a bare history is given as a file)"))
    })?;
    let run: Run = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("not the description of a run: {error}")))?;
    Ok(run.judge)
}

/// Without traces, what rests on them is undecided.
fn read_traces(dir: &Path) -> Result<Vec<Trace>, Error> {
    if dir.is_dir() { Ok(trace::read_dir(dir)?) } else { Ok(Vec::new()) }
}

/// Whether every operation is one that the model has, with arguments of the right shape; the first that is not, by line, with what to do.
pub fn fits(history: &History, model: Model) -> Result<(), String> {
    let known = history.by_function(true, |f| model.has(f));
    let cas = history.function("cas");
    for operation in history.operations() {
        let line = || history.line(operation.invoked as usize);
        if !known[operation.function as usize] {
            let f = history.functions().nth(operation.function as usize - 1).unwrap_or_default();
            return Err(format!("line {}: {}", line(), no_such_operation(model, f)));
        }
        if Some(operation.function) == cas && history.values().pair(operation.value).is_none() {
            return Err(format!("line {}: a cas carries its value as [old, new]", line()));
        }
    }
    Ok(())
}

fn no_such_operation(model: Model, f: &str) -> String {
    let known: Vec<_> = Model::all().filter(|model| model.names(f)).map(Model::name).collect();
    let hint = match known.as_slice() {
        [] => "no model of this version has it".to_string(),
        known => format!("try --model {}", known.join(" or ")),
    };
    format!("a {model} has no operation `{f}`; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::raft::tests::traces;

    #[test]
    fn what_only_one_reading_of_a_run_that_goes_on_shows_convicts_nobody() {
        let check = |text: &str| raft::check("election-safety", &traces(text)).unwrap();
        let two = || check("n1.1 3 leader\nn2.1 3 leader");
        assert_eq!(confirmed(two(), two()).verdict, Verdict::Invalid);
        assert_eq!(confirmed(two(), check("n1.1 3 leader")).verdict, Verdict::Unknown);
        let other = check("n1.1 4 leader\nn2.1 4 leader");
        assert_eq!(confirmed(two(), other).verdict, Verdict::Unknown);
    }
}
