//! The file that a certificate is (`docs/certificates.md`): one JSON object.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::verify::{Accepted, Claim, Refusal, keys, verify};
use super::{Dependency, Edge, Fingerprint, ObjectProof, Proof};
use crate::history::{History, Shape, ValueId};
use crate::models::{Family, Model};
use crate::verdict::{CheckReport, Verdict, Violation};

/// The version of the file format that is written and read here.
pub const FORMAT: u32 = 1;

/// A certificate: what was found about a history, and what shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The version of this format, [`FORMAT`].
    pub format: u32,
    /// The version of the program that wrote it.
    pub faultline: String,
    /// What the history was judged as, by the name of the model.
    pub model: String,
    /// How strong the promise is: `linearizable`, `strict-serializable`, `snapshot-isolation`, …
    pub consistency: String,
    /// The history.
    pub history: HistoryMark,
    /// What was found.
    pub verdict: Verdict,
    /// The same in words; for *unknown* the limit that was reached. For people: nothing of it is verified.
    pub detail: String,
    /// Every object with its proof. Transactions that are invalid may have several proofs: then the object stands here several times.
    pub objects: Vec<ObjectDocument>,
}

/// Which history a certificate is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryMark {
    /// The file.
    pub file: Fingerprint,
    /// How many events it has, those of the nemesis included.
    pub events: u64,
    /// How many operations of clients it has.
    pub operations: u64,
}

/// One object and its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectDocument {
    /// Its key; null in a history without keys, and for transactions.
    pub key: Value,
    /// What shows the verdict on it.
    pub proof: ProofDocument,
    /// What was found in words. For people: nothing of it is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
}

/// A [`Proof`], or that there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum ProofDocument {
    /// Valid: the operations that took effect, each as the difference to the one before, the first to 0.
    Order(Vec<i64>),
    /// Invalid: the operations that are impossible already.
    Core(Vec<u32>),
    /// Invalid: each of these transactions must come before the next.
    Cycle(Vec<EdgeDocument>),
    /// Invalid: what these transactions say is impossible in itself.
    Anomaly {
        /// The anomaly, as Elle names it.
        name: String,
        /// The transactions that show it.
        transactions: Vec<u32>,
    },
    /// Nothing was proved about the object.
    None,
}

/// An [`Edge`] of a cycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeDocument {
    /// The earlier transaction.
    pub from: u32,
    /// The later one.
    pub to: u32,
    /// The reason.
    pub kind: Dependency,
    /// The key concerned.
    #[serde(default)]
    pub key: Value,
    /// The value concerned.
    #[serde(default)]
    pub value: Value,
}

/// Why a file is not a certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is malformed.
    #[error("{}: not a certificate: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Certificate {
    /// What a check found, with its proofs.
    pub fn new(
        history: &History,
        file: Fingerprint,
        (model, consistency): (Model, &str),
        report: &CheckReport,
        proofs: &[ObjectProof],
    ) -> Self {
        let keys = keys(history, model);
        let mut proofs_of: HashMap<ValueId, Vec<&Proof>> = HashMap::new();
        proofs.iter().for_each(|o| proofs_of.entry(o.key).or_default().push(&o.proof));
        let mut violations_of: HashMap<Option<String>, VecDeque<&Violation>> = HashMap::new();
        for violation in &report.violations {
            // Transactions are one object, whatever key a violation is about.
            let is_whole = keys.first() == Some(&ValueId::NIL);
            let name = violation.key.clone().filter(|_| !is_whole);
            violations_of.entry(name).or_default().push_back(violation);
        }
        let mut objects = Vec::new();
        for key in keys {
            let name = (key != ValueId::NIL).then(|| history.values().words(key));
            let mut violations = violations_of.remove(&name).unwrap_or_default();
            let proofs = proofs_of.remove(&key).unwrap_or_default();
            let proofs = proofs.into_iter().map(|proof| written(history, proof));
            let none = (proofs.len() == 0).then_some(ProofDocument::None);
            objects.extend(proofs.chain(none).map(|proof| ObjectDocument {
                key: history.values().json(key),
                proof,
                sentence: violations.pop_front().map(|violation| violation.summary.clone()),
            }));
        }
        Self {
            format: FORMAT,
            faultline: env!("CARGO_PKG_VERSION").into(),
            model: model.name().into(),
            consistency: consistency.into(),
            history: HistoryMark {
                file,
                events: history.events() as u64,
                operations: history.operations().len() as u64,
            },
            verdict: report.verdict,
            detail: report.detail.clone(),
            objects,
        }
    }

    /// Reads one from a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let malformed = |reason| Error::Malformed { path: path.to_path_buf(), reason };
        let text =
            std::fs::read(path).map_err(|source| Error::Io { path: path.to_path_buf(), source })?;
        let certificate: Self =
            serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        if certificate.format != FORMAT {
            let reason = format!("format {} is not known here", certificate.format);
            return Err(malformed(reason));
        }
        certificate.model.parse::<Model>().map_err(malformed)?;
        Ok(certificate)
    }

    /// Whether every object has a proof.
    pub fn is_complete(&self) -> bool {
        self.verdict != Verdict::Unknown
            && self.objects.iter().all(|object| object.proof != ProofDocument::None)
    }

    /// Writes it to a file.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let write = || {
            let mut file = io::BufWriter::new(std::fs::File::create(path)?);
            serde_json::to_writer(&mut file, self)?;
            file.write_all(b"\n")?;
            file.flush()
        };
        write().map_err(|source| Error::Io { path: path.to_path_buf(), source })
    }

    /// Checks that it proves its verdict on a history that was read from a file with this fingerprint.
    pub fn verify(&self, history: &History, file: &Fingerprint) -> Result<Accepted, Refusal> {
        let mark = HistoryMark {
            file: file.clone(),
            events: history.events() as u64,
            operations: history.operations().len() as u64,
        };
        if self.history != mark {
            return Err(Refusal::Unproved(
                "it is about another history, or the history was changed".into(),
            ));
        }
        let model = self.model.parse::<Model>().map_err(Refusal::Undecided)?;
        must_be_the_promise(model, &self.consistency)?;
        let claim = Claim { model, consistency: &self.consistency, verdict: self.verdict };
        verify(history, claim, &self.proofs(history, model)?)
    }

    /// The proofs, with keys and values as the history numbers them.
    fn proofs(&self, history: &History, model: Model) -> Result<Vec<ObjectProof>, Refusal> {
        let keys = keys(history, model).into_iter();
        let keys: HashMap<String, ValueId> =
            keys.map(|key| (history.values().json(key).to_string(), key)).collect();
        let mut proofs = Vec::new();
        for object in &self.objects {
            let name = object.key.to_string();
            let Some(key) = keys.get(&name) else {
                return Err(Refusal::Unproved(format!("the history has no key {name}")));
            };
            let proof = read_back(history, &object.proof)?;
            proofs.extend(proof.map(|proof| ObjectProof { key: *key, proof }));
        }
        Ok(proofs)
    }
}

/// An object has one promise, whatever the certificate calls it.
fn must_be_the_promise(model: Model, consistency: &str) -> Result<(), Refusal> {
    if model.family() == Family::Object && consistency != consistency_of(model) {
        let reason = format!("of a {model} it cannot be said that it is {consistency}");
        return Err(Refusal::Unproved(reason));
    }
    Ok(())
}

/// The promise that a model is judged by where nothing else is asked for.
pub fn consistency_of(model: Model) -> &'static str {
    match model.family() {
        Family::Object if model != Model::MultiRegister => "linearizable",
        Family::Object | Family::Transactions => "strict-serializable",
        Family::Property => "",
    }
}

fn written(history: &History, proof: &Proof) -> ProofDocument {
    let json = |id| history.values().json(id);
    let edge = |edge: &Edge| EdgeDocument {
        from: edge.from,
        to: edge.to,
        kind: edge.kind,
        key: json(edge.key),
        value: json(edge.value),
    };
    match proof {
        Proof::Order(order) => ProofDocument::Order(deltas(order)),
        Proof::Core(core) => ProofDocument::Core(core.clone()),
        Proof::Cycle(edges) => ProofDocument::Cycle(edges.iter().map(edge).collect()),
        Proof::Anomaly { name, transactions } => {
            ProofDocument::Anomaly { name: name.clone(), transactions: transactions.clone() }
        }
    }
}

fn deltas(order: &[u32]) -> Vec<i64> {
    let mut last = 0;
    let delta = |place: &u32| i64::from(*place) - std::mem::replace(&mut last, i64::from(*place));
    order.iter().map(delta).collect()
}

fn read_back(history: &History, proof: &ProofDocument) -> Result<Option<Proof>, Refusal> {
    Ok(Some(match proof {
        ProofDocument::Order(deltas) => Proof::Order(places(deltas)?),
        ProofDocument::Core(core) => Proof::Core(core.clone()),
        ProofDocument::Cycle(edges) => {
            let edges: Result<_, _> = edges.iter().map(|edge| edge_back(history, edge)).collect();
            Proof::Cycle(edges?)
        }
        ProofDocument::Anomaly { name, transactions } => {
            Proof::Anomaly { name: name.clone(), transactions: transactions.clone() }
        }
        ProofDocument::None => return Ok(None),
    }))
}

fn places(deltas: &[i64]) -> Result<Vec<u32>, Refusal> {
    let mut place = 0_i64;
    let next = |delta: &i64| {
        place = place.checked_add(*delta)?;
        u32::try_from(place).ok()
    };
    let places: Option<_> = deltas.iter().map(next).collect();
    places.ok_or_else(|| Refusal::Unproved("the order leads to operations that cannot be".into()))
}

/// Finds key and value among what the two transactions say.
fn edge_back(history: &History, edge: &EdgeDocument) -> Result<Edge, Refusal> {
    let id = |json: &Value| {
        let mut pending: Vec<ValueId> = [edge.from, edge.to]
            .into_iter()
            .filter_map(|place| history.operations().get(place as usize))
            .flat_map(|operation| [operation.key, operation.value])
            .collect();
        pending.push(ValueId::NIL);
        while let Some(id) = pending.pop() {
            if history.values().json(id) == *json {
                return Ok(id);
            }
            if let Shape::List(elements) = history.values().shape(id) {
                pending.extend(elements);
            }
        }
        let reason = format!("transactions {} and {} say nothing about {json}", edge.from, edge.to);
        Err(Refusal::Unproved(reason))
    };
    let (key, value) = (id(&edge.key)?, id(&edge.value)?);
    Ok(Edge { from: edge.from, to: edge.to, kind: edge.kind, key, value })
}
