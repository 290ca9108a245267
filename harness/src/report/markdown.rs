//! The summary for CI: GitHub shows it under the job.

use std::fmt::Write;

use checker::verdict::{Judgement, Verdict};

use super::{cause, reason, span, word};
use crate::run_directory::RunInfo;

/// The content of `summary.md`.
pub(super) fn summary(info: &RunInfo, judgement: &Judgement) -> String {
    let mut text = format!("## {}: {}\n\n", word(judgement.verdict), cell(&info.workload));
    if judgement.verdict != Verdict::Valid {
        let _ = writeln!(text, "{}\n", cell(&reason(judgement)));
    }
    if let Some(bug) = &info.planted {
        let _ = writeln!(text, "Planted bug: `{bug}`\n");
    }
    let _ = writeln!(text, "Seed {}; again with `{}`\n", info.seed, info.command);
    text += "| verdict | check | what was seen |\n|---|---|---|\n";
    for check in &judgement.checks {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            word(check.verdict),
            cell(&check.name),
            cell(&check.detail)
        );
    }
    for violation in judgement.checks.iter().flat_map(|check| &check.violations) {
        let _ = writeln!(text, "\n### {}\n", cell(&violation.summary));
        for step in &violation.explanation {
            let _ = writeln!(text, "1. {}", cell(step));
        }
    }
    if !judgement.faults.is_empty() {
        text += "\n| fault | what was done | in force | what it did |\n|---|---|---|---|\n";
        for fault in &judgement.faults {
            let when = span(fault.began, fault.ended);
            let effect = if fault.effective { "" } else { "**without effect**: " };
            let (action, did) = (cell(&fault.action), cell(&fault.effect));
            let _ = writeln!(text, "| {} | {action} | {when} | {effect}{did} |", cell(&fault.id));
        }
    }
    let _ = writeln!(text, "\nVerdict: {}", cause(judgement));
    text
}

/// Text that cannot end a cell, nor become markup.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for c in text.chars() {
        match c {
            '|' | '<' | '>' | '*' | '_' | '`' | '[' | ']' | '\\' => {
                cell.push('\\');
                cell.push(c);
            }
            '\n' | '\r' => cell.push(' '),
            c => cell.push(c),
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use checker::verdict::Verdict;

    use super::super::tests::{info, judgement};
    use super::*;

    #[test]
    fn the_summary_says_what_matters_and_escapes_the_rest() {
        let text = summary(&info(), &judgement(Verdict::Invalid));
        assert!(text.starts_with("## FAIL: leader-storm\n"), "{text}");
        assert!(text.contains("Seed 7; again with `faultline run"), "{text}");
        assert!(text.contains("| FAIL | linearizable |"), "{text}");
        assert!(text.contains("1. Replaced by process 2."), "{text}");
        assert!(!text.contains("<script>"), "{text}");
        assert!(summary(&info(), &judgement(Verdict::Unknown)).contains("**without effect**"));
    }
}
