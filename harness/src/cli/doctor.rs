//! `faultline doctor`

use std::path::{Path, PathBuf};

use checker::verdict::ExitCode;
use clap::Args;
use serde_json::{Value, json};

use crate::console::{err, out};
use crate::doctor::{Capability, Finding, Means, Trial, refusal};
use crate::report::table;
use crate::workload::Workload;

/// Arguments of the doctor.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct DoctorArguments {
    /// Where run directories would go
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// Nodes of the runs that are to be made
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=9))]
    nodes: u32,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pretence: Pretence,
}

/// What is taken to be missing, for tests.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Pretence {
    /// Take this capability to be missing
    #[arg(long, value_name = "NAME", hide = true)]
    pretend_missing: Vec<Capability>,
}

const EXIT_CODES: &str = "Exit codes: 0 every fault works here, 2 bad usage, 3 some fault does not";

pub(super) fn doctor(arguments: &DoctorArguments) -> ExitCode {
    let missing = &arguments.pretence.pretend_missing;
    let trial = Trial { out: &arguments.out, nodes: arguments.nodes, missing };
    let findings = Capability::ALL.map(|capability| trial.of(capability));
    if arguments.json {
        let json = serde_json::to_string_pretty(&json(&findings));
        out!("{}", json.expect("a value always serialises"));
    } else {
        out!("{}", text(&findings));
    }
    let all_work = Means::ALL.iter().all(|means| means.missing(&findings).is_empty());
    if all_work { ExitCode::Valid } else { ExitCode::Undecided }
}

/// Says which of the workloads cannot be run here, and why. Nothing has been started by then.
pub(super) fn refuse<'a>(
    workloads: impl IntoIterator<Item = (&'a Path, &'a Workload)>,
    out: &Path,
    pretence: &Pretence,
) -> Result<(), ExitCode> {
    let mut refused = false;
    for (file, workload) in workloads {
        let missing = &pretence.pretend_missing;
        let trial = Trial { out, nodes: workload.system.nodes, missing };
        if let Some(objections) = refusal(file, workload, &trial) {
            err!("{objections}");
            refused = true;
        }
    }
    if refused {
        let reason =
            "nothing was started: this machine lacks what was asked for (see `faultline doctor`)";
        return Err(super::fail(ExitCode::RunFailed, &reason));
    }
    Ok(())
}

fn text(findings: &[Finding]) -> String {
    let user = rustix::process::geteuid().as_raw();
    let mut tried = table(&["", "capability", "what was seen", "needed by"]);
    for Finding { capability, outcome } in findings {
        let needed = capability.needed_by();
        let needed = if needed.is_empty() { "nothing".to_string() } else { needed.join("; ") };
        let seen = outcome.as_ref().unwrap_or_else(|why| why);
        tried.add_row([word(outcome.is_ok()), capability.name(), seen.as_str(), &needed]);
    }
    let mut faults = table(&["", "fault", "why not", "how to enable it"]);
    for means in Means::ALL {
        let missing = means.missing(findings);
        let why: Vec<_> = missing.iter().map(|finding| finding.reason()).collect();
        let remedies: Vec<_> = missing.iter().map(|finding| finding.capability.remedy()).collect();
        let row = [word(missing.is_empty()), means.name(), &why.join("; "), &remedies.join("; ")];
        faults.add_row(row);
    }
    format!("As user {user}\n\n{}\n\n{}", tried.trim_fmt(), faults.trim_fmt())
}

fn word(works: bool) -> &'static str {
    if works { "works" } else { "DOES NOT" }
}

fn json(findings: &[Finding]) -> Value {
    let capability = |Finding { capability, outcome }: &Finding| {
        let (works, seen) = (outcome.is_ok(), outcome.as_ref().unwrap_or_else(|why| why));
        json!({
            "name": capability.name(), "works": works, "seen": seen,
            "needed_by": capability.needed_by(), "remedy": (!works).then(|| capability.remedy()),
        })
    };
    let fault = |means: &Means| {
        let missing = means.missing(findings);
        let names: Vec<_> = missing.iter().map(|finding| finding.capability.name()).collect();
        json!({ "name": means.name(), "works": names.is_empty(), "missing": names })
    };
    json!({
        "user": rustix::process::geteuid().as_raw(),
        "capabilities": findings.iter().map(capability).collect::<Vec<_>>(),
        "faults": Means::ALL.iter().map(fault).collect::<Vec<_>>(),
    })
}
