//! `faultline check PATH`

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use checker::judge::{Judged, Limits, Question, judge};
use checker::models::{Family, Model};
use checker::properties::Options;
use checker::transactions::{Consistency, Drawing};
use checker::verdict::{ExitCode, Judgement};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::follow::{Ending, follow};
use crate::console::{err, out};
use crate::report;

/// Arguments of a check.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct CheckArguments {
    /// A run directory, or a history file: JSON lines, Jepsen's EDN, JSON or text logs, Porcupine's logs; plain, gzip or zstd
    path: PathBuf,
    /// What the history is of (docs/checks.md); guessed from its operations when left out
    #[arg(long, value_parser = models())]
    model: Option<Model>,
    /// What transactions (list-append, rw-register) must be: serializable, snapshot-isolation, …
    #[arg(long, value_name = "MODEL", default_value = "strict-serializable")]
    consistency: Consistency,
    /// What the check of a history file expects, as JSON: '{"negative_balances":true}' (docs/checks.md)
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = options)]
    options: Options,
    /// Write what shows the verdict to this file, for `faultline verify` or a verifier of your own (docs/certificates.md)
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Draw the shortest cycles of transactions into this directory, as SVG and for Graphviz
    #[arg(long, value_name = "DIR")]
    drawings: Option<PathBuf>,
    /// Print the judgement as JSON (the content of verdict.json)
    #[arg(long)]
    json: bool,
    /// Follow a history that is still being written: end with 1 at the first violation, or with the whole verdict when the run ends or on Ctrl-C
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    limits: LimitArguments,
}

/// How much a check may use. Over the limit it is undecided (exit 3), never a pass.
#[derive(Clone, Debug, Args)]
pub(super) struct LimitArguments {
    /// How long the search may take, as 60s or 5m
    #[arg(long, default_value = "60s", value_parser = duration)]
    time_limit: Duration,
    /// How much memory the search may use, as 512m or 4g
    #[arg(long, default_value = "4g", value_parser = bytes)]
    memory_limit: u64,
}

impl LimitArguments {
    pub(super) fn limits(&self) -> Limits {
        Limits { time: self.time_limit, memory_bytes: self.memory_limit }
    }
}

/// The names of all models, which clap then lists.
fn models() -> impl TypedValueParser<Value = Model> {
    PossibleValuesParser::new(Model::all().map(Model::name)).try_map(|name| name.parse::<Model>())
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 60s or 5m"))
}

fn options(text: &str) -> Result<Options, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn bytes(text: &str) -> Result<u64, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err(format!("unknown unit `{unit}`; write 512m or 4g")),
    };
    let number =
        text[..text.len() - unit.len()].parse::<u64>().map_err(|error| error.to_string())?;
    number.checked_mul(factor).ok_or_else(|| "more bytes than there are".to_string())
}

pub(super) fn check(arguments: &CheckArguments) -> ExitCode {
    let question = Question {
        model: arguments.model,
        consistency: arguments.consistency,
        options: arguments.options.clone(),
        limits: arguments.limits.limits(),
        certify: arguments.certificate.is_some(),
    };
    if arguments.follow {
        match follow(&arguments.path, &question) {
            Ok(Ending::JudgeAll) => {}
            Ok(Ending::Violation(judgement)) => {
                show(arguments, &judgement);
                return judgement.verdict.into();
            }
            Err(error) => return super::fail(ExitCode::Usage, &error),
        }
    }
    let judged = match judge(&arguments.path, &question) {
        Ok(judged) => judged,
        // Whatever cannot be read is malformed input.
        Err(error) => return super::fail(ExitCode::Usage, &error),
    };
    if judged.judgement.operations.is_empty() {
        let path = arguments.path.display();
        err!("faultline: there is no operation in {path}: nothing was proved");
    } else if arguments.model.is_none() && !arguments.json && !arguments.path.is_dir() {
        out!("faultline: judged as {} (guessed; --model says otherwise)", judged.model);
    }
    show(arguments, &judged.judgement);
    let is_default = arguments.consistency == Consistency::default();
    if judged.model.family() != Family::Transactions
        && !(is_default && arguments.drawings.is_none())
    {
        let model = judged.model;
        err!(
            "faultline: --consistency and --drawings are for transactions: of a {model} they say nothing"
        );
    }
    write_beside(arguments, &judged).unwrap_or_else(|code| code)
}

/// What was asked for beside the judgement. What cannot be written is told by its code.
fn write_beside(arguments: &CheckArguments, judged: &Judged) -> Result<ExitCode, ExitCode> {
    if let Some(directory) = &arguments.drawings {
        draw(directory, &judged.drawings).map_err(|error| {
            let reason = format!("cannot draw into {}: {error}", directory.display());
            super::fail(ExitCode::RunFailed, &reason)
        })?;
    }
    if let Some(path) = &arguments.certificate {
        let Some(certificate) = &judged.certificate else {
            let reason = format!("no certificate: a check of {} gives no proofs", judged.model);
            return Err(super::fail(ExitCode::Usage, &reason));
        };
        if !certificate.is_complete() {
            err!("faultline: the certificate proves nothing of some objects: verify will say so");
        }
        let written = certificate.write(path);
        written.map_err(|error| super::fail(ExitCode::RunFailed, &error))?;
    }
    Ok(judged.judgement.verdict.into())
}

fn draw(directory: &Path, drawings: &[Drawing]) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    drawings.iter().try_for_each(|drawing| {
        let file = directory.join(drawing.name);
        std::fs::write(file.with_extension("svg"), &drawing.svg)?;
        std::fs::write(file.with_extension("dot"), &drawing.dot)
    })
}

fn show(arguments: &CheckArguments, judgement: &Judgement) {
    if arguments.json {
        let json = serde_json::to_string_pretty(judgement).expect("a judgement always serialises");
        out!("{json}");
    } else {
        let directory = arguments.path.is_dir().then_some(arguments.path.as_path());
        out!("{}", report::terminal(None, directory, judgement).trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_named() {
        assert!(options(r#"{"linearizable":true}"#).unwrap().linearizable);
        assert!(options(r#"{"linearisable":true}"#).unwrap_err().contains("unknown field"));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("4g"), Ok(4 << 30));
        assert_eq!(bytes("512M"), Ok(512 << 20));
        assert_eq!(bytes("100"), Ok(100));
        for text in ["", "g", "4x", "-1", "99999999999g"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
