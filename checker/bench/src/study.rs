//! The study that came before this project, where it is at hand: a program to throw away and no part of the repository. It is timed on the same
//! files, as far as it can read them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Command;

use checker::history::{History, Outcome};

use crate::cases::{Case, Object};
use crate::measure::Measured;

/// What its program has found out about the history of a case. It is in a directory of programs, as cargo's `target/release`.
pub fn judge(
    programs: &Path,
    case: &Case,
    path: &Path,
) -> Result<Measured, Box<dyn std::error::Error>> {
    match case.object {
        Object::Registers { .. } => {
            let mut program = Command::new(programs.join("bench"));
            // A cas that failed says nothing, as in our histories.
            whole_file(&output(program.env("DROPFAIL", "1").arg("file").arg(path))?)
        }
        Object::Queue => collection(programs, "queue", path),
        Object::Stack => collection(programs, "stack", path),
        Object::Transactions { lists: true, interleaved: false } => {
            let load =
                [case.load.operations, case.load.clients, WRITES_A_KEY].map(|n| n.to_string());
            let mut program = Command::new(programs.join("tx"));
            own_transactions(&output(program.arg("own").args(load))?)
        }
        Object::Text { .. } | Object::Map { .. } | Object::Transactions { .. } => {
            Ok(Measured::failed("not in the study"))
        }
    }
}

/// As in our histories.
const WRITES_A_KEY: usize = 32;

fn output(program: &mut Command) -> Result<String, Box<dyn std::error::Error>> {
    let output = program.output().map_err(|error| format!("{program:?}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout)?),
        false => {
            Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
        }
    }
}

/// What its reader and its check of registers have printed.
fn whole_file(printed: &str) -> Result<Measured, Box<dyn std::error::Error>> {
    let number = |name| number_after(printed, name);
    Ok(Measured {
        verdict: if printed.contains("ok=true") { "valid" } else { "invalid" }.into(),
        read: number("parse")? + number("concat")? + number("pair")?,
        check: number("check")?,
        cpu: crate::measure::cpu_seconds_of_children(),
        peak_bytes: (number("peak")? * 1e6) as u64,
        ..Measured::default()
    })
}

/// Collections it reads in a form of its own: what was done, the element, invocation and completion.
fn collection(
    programs: &Path,
    kind: &str,
    path: &Path,
) -> Result<Measured, Box<dyn std::error::Error>> {
    let converted = path.with_extension("study");
    convert(&History::read(path)?, &converted)?;
    let printed =
        output(Command::new(programs.join("bench")).arg("coll").arg(&converted).arg(kind));
    std::fs::remove_file(&converted)?;
    let printed = printed?;
    // It checks three times.
    let runs =
        printed.lines().map(|run| Ok((number_after(run, "wall")?, number_after(run, "cpu")?)));
    let runs = runs.collect::<Result<Vec<_>, String>>()?;
    Ok(Measured {
        verdict: if printed.contains(" Ok ") { "valid" } else { "invalid" }.into(),
        check: runs.iter().map(|(wall, _)| *wall).fold(f64::MAX, f64::min),
        check_cpu: runs.iter().map(|(_, cpu)| *cpu).fold(f64::MAX, f64::min),
        ..Measured::default()
    })
}

fn convert(history: &History, path: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "# operation element invoked completed")?;
    for view in history.views().filter(|view| view.outcome() == Outcome::Ok) {
        let f = if matches!(view.f(), "enqueue" | "push") { "enq" } else { "deq" };
        let operation = view.operation();
        writeln!(out, "{f} {} {} {}", view.value(), operation.invoked, operation.completed)?;
    }
    out.flush()
}

/// Transactions it cannot read: what it has printed is about a history that it has made itself, of the same size.
fn own_transactions(printed: &str) -> Result<Measured, Box<dyn std::error::Error>> {
    let seconds = |line: &str| -> Option<f64> {
        line.split_whitespace().find_map(|word| word.strip_suffix('s')?.parse().ok())
    };
    let runs = printed.lines().filter(|line| line.starts_with("strict true")).filter_map(seconds);
    let check = runs.min_by(f64::total_cmp).ok_or("no time among what it printed")?;
    Ok(Measured { verdict: "a history of its own".into(), check, ..Measured::default() })
}

/// The number that stands behind a word.
fn number_after(printed: &str, name: &str) -> Result<f64, String> {
    let mut words = printed.split_whitespace();
    let number = words.find(|word| *word == name).and_then(|_| words.next()?.parse().ok());
    number.ok_or_else(|| format!("no `{name}` in what it printed: {printed}"))
}
