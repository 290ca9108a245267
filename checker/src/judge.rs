//! Judging a recording: all checks that it calls for, merged into one judgement.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::certificate::{Certificate, Fingerprint, consistency_of};
use crate::history::{self, History};
use crate::linearizability;
pub use crate::linearizability::Limits;
use crate::models::{Family, Model};
use crate::properties::{
    election_safety, faults_effective, final_reads, nodes_alive, operations, recovery,
    run_complete, split_votes,
};
use crate::trace::{self, Trace};
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
    /// An operation that the model does not have.
    #[error("{}: {reason}", path.display())]
    Operation {
        /// The history.
        path: PathBuf,
        /// Which operation, and what to do.
        reason: String,
    },
}

/// Judges a run directory.
pub fn judge_run(dir: &Path, limits: &Limits) -> Result<Judgement, Error> {
    run(dir, limits, &mut Evidence::Unwanted)
}

/// Judges a run directory and certifies what was found about its history, if its plan has it judged by a check that gives proofs.
pub fn certify_run(dir: &Path, limits: &Limits) -> Result<(Judgement, Option<Certificate>), Error> {
    let mut evidence = Evidence::of(&dir.join("history.jsonl"))?;
    let judgement = run(dir, limits, &mut evidence)?;
    Ok((judgement, evidence.certificate()))
}

fn run(dir: &Path, limits: &Limits, evidence: &mut Evidence) -> Result<Judgement, Error> {
    let plan = read_plan(&dir.join("run.json"))?;
    let path = dir.join("history.jsonl");
    let history = History::read(&path)?;
    let model =
        plan.model.parse().map_err(|reason| Error::Run { path: dir.join("run.json"), reason })?;
    must_fit(&history, model, &path)?;
    let traces = read_traces(&dir.join("trace"))?;
    let mut checks = Vec::new();
    for name in &plan.checks {
        checks.push(match name.as_str() {
            linearizability::NAME => promise(&history, model, limits, evidence),
            election_safety::NAME => election_safety::check(&traces),
            other => unknown_check(other),
        });
    }
    checks.push(nodes_alive::check(&history));
    if let Some(within) = plan.expect.recovers_within {
        checks.push(recovery::check(&history, Duration::from_nanos(within)));
    }
    checks.push(faults_effective::check(&history));
    checks.push(operations::check(&history, &plan.expect.ok));
    checks.push(final_reads::check(&history, &plan.keys));
    if let Some(expected) = plan.expect.split_votes {
        checks.push(split_votes::check(&traces, expected));
    }
    checks.push(run_complete::check(&history));
    Ok(judgement(&history, checks))
}

/// Judges a bare history. Without a model, guesses it from the operations; returns the model that was used.
pub fn judge_history(
    path: &Path,
    model: Option<Model>,
    limits: &Limits,
) -> Result<(Model, Judgement), Error> {
    bare(path, model, limits, &mut Evidence::Unwanted)
}

/// Judges a bare history and certifies what was found, if the model is judged by a check that gives proofs.
pub fn certify_history(
    path: &Path,
    model: Option<Model>,
    limits: &Limits,
) -> Result<(Model, Judgement, Option<Certificate>), Error> {
    let mut evidence = Evidence::of(path)?;
    let (model, judgement) = bare(path, model, limits, &mut evidence)?;
    Ok((model, judgement, evidence.certificate()))
}

fn bare(
    path: &Path,
    model: Option<Model>,
    limits: &Limits,
    evidence: &mut Evidence,
) -> Result<(Model, Judgement), Error> {
    let history = History::read(path)?;
    let model = model.unwrap_or_else(|| Model::guess(&history));
    must_fit(&history, model, path)?;
    let promise = promise(&history, model, limits, evidence);
    let checks = vec![promise, operations::check(&history, &BTreeMap::new())];
    Ok((model, judgement(&history, checks)))
}

/// Whether a certificate is wanted beside the judgement, and what became of it.
enum Evidence {
    /// It is not.
    Unwanted,
    /// It is, of the history in this file.
    Wanted(Fingerprint),
    /// Here it is.
    Found(Box<Certificate>),
}

impl Evidence {
    fn of(path: &Path) -> Result<Self, Error> {
        let file = Fingerprint::of(path)
            .map_err(|source| history::Error::Io { path: path.to_path_buf(), source })?;
        Ok(Self::Wanted(file))
    }

    fn certificate(self) -> Option<Certificate> {
        match self {
            Self::Found(certificate) => Some(*certificate),
            Self::Unwanted | Self::Wanted(_) => None,
        }
    }
}

/// Judges what the model promises.
fn promise(
    history: &History,
    model: Model,
    limits: &Limits,
    evidence: &mut Evidence,
) -> CheckReport {
    let (report, proofs) = match (model.family(), &evidence) {
        (Family::Object, Evidence::Unwanted) => {
            return linearizability::check(history, model, limits);
        }
        (Family::Object, _) => linearizability::check_with_proofs(history, model, limits),
        (Family::Transactions | Family::Property, _) => return unknown_check(model.name()),
    };
    if let Evidence::Wanted(file) = evidence {
        let claim = (model, consistency_of(model));
        let certificate = Certificate::new(history, file.clone(), claim, &report, &proofs);
        *evidence = Evidence::Found(Box::new(certificate));
    }
    report
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

/// A check of another version. What is not judged is not passed.
fn unknown_check(name: &str) -> CheckReport {
    let detail = "this version of faultline does not know this check".into();
    CheckReport { name: name.into(), verdict: Verdict::Unknown, detail, violations: vec![] }
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

/// Every operation must be one that the model has, with arguments of the right shape.
fn must_fit(history: &History, model: Model, path: &Path) -> Result<(), Error> {
    let known = history.by_function(true, |f| model.has(f));
    let cas = history.function("cas");
    for operation in history.operations() {
        let wrong = |reason: String| Error::Operation {
            path: path.to_path_buf(),
            reason: format!("line {}: {reason}", history.line(operation.invoked as usize)),
        };
        if !known[operation.function as usize] {
            let f = history.functions().nth(operation.function as usize - 1).unwrap_or_default();
            return Err(wrong(no_such_operation(model, f)));
        }
        if Some(operation.function) == cas && history.values().pair(operation.value).is_none() {
            return Err(wrong("a cas carries its value as [old, new]".into()));
        }
    }
    Ok(())
}

fn no_such_operation(model: Model, f: &str) -> String {
    let known: Vec<_> = Model::all().filter(|model| model.has(f)).map(Model::name).collect();
    let hint = match known.as_slice() {
        [] => "no model of this version has it".to_string(),
        known => format!("try --model {}", known.join(" or ")),
    };
    format!("a {model} has no operation `{f}`; {hint}")
}
