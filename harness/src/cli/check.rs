//! `faultline check PATH`

use std::path::PathBuf;
use std::time::Duration;

use checker::certificate::Certificate;
use checker::judge::{Error, Limits, certify_history, certify_run, judge_history, judge_run};
use checker::models::Model;
use checker::verdict::{ExitCode, Judgement};
use clap::Args;

use crate::report;

/// Arguments of a check.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// A run directory, or a history file
    path: PathBuf,
    /// What the history is of: register or cas-register; guessed from its operations when left out
    #[arg(long)]
    model: Option<Model>,
    /// Print the judgement as JSON (the content of verdict.json)
    #[arg(long)]
    json: bool,
    /// Write what shows the verdict to this file, for `faultline verify`
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
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

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 60s or 5m"))
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
    let (judgement, certificate) = match judge(arguments) {
        Ok(judged) => judged,
        // Whatever cannot be read is malformed input.
        Err(error) => return super::fail(ExitCode::Usage, &error),
    };
    show(arguments, &judgement);
    if let Some(path) = &arguments.certificate {
        let Some(certificate) = certificate else {
            let reason = "no certificate was written: the check of this model gives no proofs";
            return super::fail(ExitCode::Usage, &reason);
        };
        if let Err(error) = certificate.write(path) {
            return super::fail(ExitCode::RunFailed, &error);
        }
    }
    judgement.verdict.into()
}

fn judge(arguments: &CheckArguments) -> Result<(Judgement, Option<Certificate>), Error> {
    let CheckArguments { path, model, .. } = arguments;
    let limits = arguments.limits.limits();
    let certify = arguments.certificate.is_some();
    if path.is_dir() {
        return match certify {
            true => certify_run(path, &limits),
            false => judge_run(path, &limits).map(|judgement| (judgement, None)),
        };
    }
    let (used, judgement, certificate) = match certify {
        true => certify_history(path, *model, &limits)?,
        false => {
            let (used, judgement) = judge_history(path, *model, &limits)?;
            (used, judgement, None)
        }
    };
    if model.is_none() && !arguments.json {
        println!("faultline: judged as {used} (guessed; --model says otherwise)");
    }
    Ok((judgement, certificate))
}

fn show(arguments: &CheckArguments, judgement: &Judgement) {
    if arguments.json {
        let json = serde_json::to_string_pretty(judgement).expect("a judgement always serialises");
        println!("{json}");
    } else {
        let directory = arguments.path.is_dir().then_some(arguments.path.as_path());
        print!("{}", report::terminal(None, directory, judgement));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
