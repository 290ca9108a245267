//! `faultline check PATH`

use std::path::PathBuf;
use std::time::Duration;

use checker::judge::{Limits, judge_history, judge_run};
use checker::models::Model;
use checker::verdict::{ExitCode, Judgement};
use clap::Args;

use super::follow::{Ending, follow};
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
    if arguments.follow {
        match follow(&arguments.path, arguments.model) {
            Ok(Ending::JudgeAll) => {}
            Ok(Ending::Violation(judgement)) => {
                show(arguments, &judgement);
                return judgement.verdict.into();
            }
            Err(error) => return super::fail(ExitCode::Usage, &error),
        }
    }
    let limits = arguments.limits.limits();
    let judged = if arguments.path.is_dir() {
        judge_run(&arguments.path, &limits)
    } else {
        judge_history(&arguments.path, arguments.model, &limits).map(|(model, judgement)| {
            if arguments.model.is_none() && !arguments.json {
                println!("faultline: judged as {model} (guessed; --model says otherwise)");
            }
            judgement
        })
    };
    match judged {
        Ok(judgement) => {
            show(arguments, &judgement);
            judgement.verdict.into()
        }
        // Whatever cannot be read is malformed input.
        Err(error) => super::fail(ExitCode::Usage, &error),
    }
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
