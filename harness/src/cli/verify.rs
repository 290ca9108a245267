//! `faultline verify CERTIFICATE HISTORY`: ends with 0 if the certificate proves its verdict, whichever it is.

use std::path::PathBuf;

use checker::certificate::{Certificate, Fingerprint, Refusal};
use checker::history::History;
use checker::verdict::{ExitCode, Verdict};
use clap::Args;

use crate::console::out;

/// Arguments of a verification.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct VerifyArguments {
    /// What `faultline check --certificate` wrote
    certificate: PathBuf,
    /// The history that it is about, or the directory of its run
    history: PathBuf,
}

const EXIT_CODES: &str = "Exit codes: 0 the certificate proves its verdict (valid or invalid), 1 it does not, 2 a malformed certificate or \
unreadable file, 3 there is more to try than the verifier is willing to";

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

pub(super) fn verify(arguments: &VerifyArguments) -> ExitCode {
    let certificate = match Certificate::read(&arguments.certificate) {
        Ok(certificate) => certificate,
        Err(error) => return super::fail(ExitCode::Usage, &error),
    };
    let mut path = arguments.history.clone();
    if path.is_dir() {
        path.push("history.jsonl");
    }
    let (file, history) = match (Fingerprint::of(&path), History::read(&path)) {
        (Ok(file), Ok(history)) => (file, history),
        (Err(error), _) => {
            return super::fail(
                ExitCode::Usage,
                &format!("cannot read {}: {error}", path.display()),
            );
        }
        (_, Err(error)) => return super::fail(ExitCode::Usage, &error),
    };
    match certificate.verify(&history, &file) {
        Ok(accepted) => {
            let Certificate { model, consistency, .. } = &certificate;
            let verdict = match certificate.verdict {
                Verdict::Invalid => format!("invalid, shown on {} of", accepted.invalid),
                _ => "valid,".to_string(),
            };
            let objects = counted(accepted.valid + accepted.invalid + accepted.unproved, "object");
            let operations = counted(history.operations().len(), "operation");
            out!("proved: {verdict} {objects}, {operations} ({model}, {consistency})");
            if accepted.unproved > 0 {
                out!("nothing is said about {} of the objects", accepted.unproved);
            }
            ExitCode::Valid
        }
        Err(refusal @ Refusal::Unproved(_)) => {
            super::fail(ExitCode::Violation, &format!("not proved: {refusal}"))
        }
        Err(refusal @ Refusal::Undecided(_)) => {
            super::fail(ExitCode::Undecided, &format!("undecided: {refusal}"))
        }
    }
}
