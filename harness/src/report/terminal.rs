//! The end of a run, or of a check, on the terminal.

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::Path;

use checker::verdict::{Judgement, Verdict, Violation};
use comfy_table::{ContentArrangement, Table, presets};

use super::{cause, reason, seconds, span, word};
use crate::run_directory::RunInfo;

/// Violations of one check that are told in full; the rest is in the report.
const VIOLATIONS_MAX: usize = 3;
/// Tables are no wider than this where the terminal does not say how wide it is.
const WIDTH: u16 = 120;

/// Tables of faults, operations and checks; violations in words; the verdict, the seed, the command to run it again, and where the report is.
pub(crate) fn terminal(
    info: Option<&RunInfo>,
    directory: Option<&Path>,
    judgement: &Judgement,
) -> String {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut text = String::new();
    if !judgement.faults.is_empty() {
        let _ = writeln!(text, "\nFaults\n{}", faults(judgement));
    }
    let _ = writeln!(text, "\nOperations\n{}", operations(judgement));
    let _ = writeln!(text, "\nChecks\n{}", checks(judgement));
    for check in &judgement.checks {
        for violation in check.violations.iter().take(VIOLATIONS_MAX) {
            text += &violation_text(violation);
        }
        let more = check.violations.len().saturating_sub(VIOLATIONS_MAX);
        if more > 0 {
            let _ = writeln!(text, "\n… and {more} more of {}", check.name);
        }
    }
    text += &closing(info, directory, judgement, colours);
    text
}

/// A table without lines, as wide as the terminal.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    table.set_header(header.iter().map(|title| title.to_string()));
    table
}

fn faults(judgement: &Judgement) -> String {
    let mut table = table(&["id", "fault", "in force", "what it did"]);
    for fault in &judgement.faults {
        let effect = match fault.effective {
            true => fault.effect.clone(),
            false => format!("WITHOUT EFFECT: {}", fault.effect),
        };
        let when = span(fault.began, fault.ended);
        table.add_row([fault.id.clone(), fault.action.clone(), when, effect]);
    }
    table.trim_fmt()
}

fn operations(judgement: &Judgement) -> String {
    let mut table = table(&["operation", "ok", "fail", "info"]);
    for (name, counts) in &judgement.operations {
        let [ok, fail, info] = [counts.ok, counts.fail, counts.info].map(|count| count.to_string());
        table.add_row([name.clone(), ok, fail, info]);
    }
    table.trim_fmt()
}

fn checks(judgement: &Judgement) -> String {
    let mut table = table(&["verdict", "check", "what was seen"]);
    for check in &judgement.checks {
        table.add_row([word(check.verdict).to_string(), check.name.clone(), check.detail.clone()]);
    }
    table.trim_fmt()
}

fn violation_text(violation: &Violation) -> String {
    let mut text = format!("\nViolation: {}\n", violation.summary);
    for step in &violation.explanation {
        let _ = writeln!(text, "  - {step}");
    }
    if !violation.operations.is_empty() {
        let mut table =
            table(&["  invoked", "completed", "process", "node", "operation", "outcome"]);
        for operation in &violation.operations {
            let completed = operation
                .completed
                .map_or_else(|| "…".to_string(), |end| format!("{} s", seconds(end)));
            table.add_row([
                format!("  {} s", seconds(operation.invoked)),
                completed,
                operation.process.to_string(),
                operation.node.clone().unwrap_or_default(),
                operation.operation.clone(),
                operation.outcome.clone(),
            ]);
        }
        let _ = writeln!(text, "{}", table.trim_fmt());
    }
    text
}

fn closing(
    info: Option<&RunInfo>,
    directory: Option<&Path>,
    judgement: &Judgement,
    colours: bool,
) -> String {
    let verdict = painted(judgement.verdict, colours);
    let mut text = format!("\n{verdict}  {}\n", reason(judgement));
    if let Some(info) = info {
        if let Some(bug) = &info.planted {
            let _ = writeln!(text, "planted bug  {bug}");
        }
        let _ = writeln!(text, "seed         {}\nagain        {}", info.seed, info.command);
    }
    // A run that was killed has none.
    let report = directory.map(|directory| directory.join("report.html"));
    if let Some(report) = report.filter(|report| info.is_some() || report.exists()) {
        let _ = writeln!(text, "report       {}", report.display());
    }
    let _ = writeln!(text, "verdict      {}", cause(judgement));
    text
}

fn painted(verdict: Verdict, colours: bool) -> String {
    let code = match verdict {
        Verdict::Valid => "1;32",
        Verdict::Invalid => "1;31",
        Verdict::Unknown => "1;33",
    };
    if colours {
        format!("\x1b[{code}m{}\x1b[0m", word(verdict))
    } else {
        word(verdict).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{info, judgement};
    use super::*;

    fn shown(verdict: Verdict) -> String {
        terminal(Some(&info()), Some(Path::new("runs/x")), &judgement(verdict))
    }

    #[test]
    fn a_pass_says_how_to_run_it_again_and_where_the_report_is() {
        let text = shown(Verdict::Valid);
        for words in [
            "PASS  every check holds",
            "seed         7",
            "again        faultline run workloads/leader-storm.yaml --seed 7",
            "report       runs/x/report.html",
            "isolate leader n2 (term 4)",
            "1.000 to 2.500 s",
            "57 packets dropped on 8 links",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.ends_with("verdict      the system kept its promises\n"), "{text}");
        assert!(!text.contains('\x1b'), "no colours in a pipe");
    }

    #[test]
    fn a_failure_tells_the_violation_step_by_step() {
        let text = shown(Verdict::Invalid);
        assert!(text.contains("FAIL  linearizable"), "{text}");
        assert!(text.contains("Violation: key k3: stale read at 2.000 s"), "{text}");
        assert!(text.contains("  - Replaced by process 2."), "{text}");
        assert!(
            text.lines().any(|line| line.contains("1.900 s") && line.contains("read -> 17")),
            "{text}"
        );
    }

    #[test]
    fn undecided_is_said_with_its_reason_and_the_fault_without_effect() {
        let text = shown(Verdict::Unknown);
        assert!(text.contains("UNDECIDED  linearizable: 8 keys"), "{text}");
        assert!(text.contains("WITHOUT EFFECT"), "{text}");
    }
}
