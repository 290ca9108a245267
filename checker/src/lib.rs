//! Judges recordings of replicated systems.
//!
//! The crate reads files and nothing else: a *history* (what clients saw), *traces* (what nodes did) and the plan of
//! the run, and gives a *verdict*. It knows nothing of processes, sockets or the system under test.
//!
//! In a test of your own, record what clients see and ask:
//!
//! ```
//! use checker::{History, Model, Recorder, Verdict};
//! use serde_json::json;
//!
//! let mut recorder = Recorder::new();
//! let write = recorder.invoke(0, "write", json!(1));
//! let read = recorder.invoke(1, "read", json!(null));
//! recorder.ok(read, json!(1)); // It may see the write before that completes, ...
//! recorder.ok(write, json!(1));
//! let read = recorder.invoke(1, "read", json!(null));
//! recorder.ok(read, json!(null)); // ... but not lose it afterwards.
//!
//! let history: History = recorder.history();
//! let report = checker::check(&history, Model::Register);
//! assert_eq!(report.verdict, Verdict::Invalid);
//! assert!(report.violations[0].summary.contains("stale read"));
//! ```
//!
//! [`judge::judge`] judges a run directory or a history file.
#![warn(missing_docs)]

pub mod certificate;
mod explain;
pub mod history;
pub mod judge;
pub mod linearizability;
pub mod models;
pub mod online;
pub mod properties;
pub mod trace;
pub mod transactions;
pub mod verdict;

pub use history::{History, Recorder};
pub use judge::{Limits, check};
pub use models::Model;
pub use verdict::{CheckReport, Verdict};
