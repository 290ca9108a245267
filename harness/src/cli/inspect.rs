//! `faultline node inspect DIR`: what a node would find if it started there.

use std::fmt::Write;
use std::path::PathBuf;

use checker::verdict::ExitCode;
use clap::Args;
use node::storage::{Inspection, SegmentSummary};

use crate::console::out;

/// Arguments of an inspection.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct InspectArguments {
    /// The data directory, as given to the node with --data-dir; it is only read
    directory: PathBuf,
    /// Print what was found as JSON (docs/formats.md)
    #[arg(long)]
    json: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 a node can start on it, 1 it is damaged, 2 no data directory, or one that a running node has open";

pub(super) fn inspect(arguments: &InspectArguments) -> ExitCode {
    let directory = arguments.directory.display();
    let inspection = match node::storage::inspect(&arguments.directory) {
        Ok(Some(inspection)) => inspection,
        Ok(None) => {
            return super::fail(ExitCode::Usage, &format!("{directory} is not a data directory"));
        }
        Err(error) => return super::fail(ExitCode::Usage, &error),
    };
    if arguments.json {
        out!("{}", serde_json::to_string_pretty(&inspection).expect("plain data serialises"));
    } else {
        out!("{}", describe(&inspection).trim_end());
    }
    if inspection.sound { ExitCode::Valid } else { ExitCode::Violation }
}

/// The inspection in lines, each with a name in front.
fn describe(inspection: &Inspection) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| lines.push(format!("{name:<11}{text}"));
    line("directory", inspection.directory.display().to_string());
    line("node", inspection.node.map_or_else(|| "not known".into(), |node| node.to_string()));
    let vote = inspection.vote.map_or_else(|| "no vote".into(), |vote| format!("vote for {vote}"));
    line("state", format!("term {}, {vote}", inspection.term));
    line("log", log(inspection));
    line("snapshot", snapshot(inspection));
    if let Some(up_to) = inspection.repairing {
        let text = format!("up to entry {up_to}: the node does not vote before it has that again");
        line("repairing", text);
    }
    for summary in &inspection.segments {
        line("segment", segment(summary));
    }
    line("watermark", watermark(inspection));
    for path in &inspection.leftovers {
        line("leftover", format!("{}, removed at the next start", path.display()));
    }
    if let Some(torn) = &inspection.torn_tail {
        let (path, offset, bytes) = (torn.path.display(), torn.offset, torn.bytes);
        let text = format!(
            "{bytes} bytes at byte {offset} of {path}: a write that a crash interrupted, cut off at the next start"
        );
        line("torn tail", text);
    }
    match &inspection.damage {
        None => line("sound", "a node can start here".into()),
        Some(damage) => line("DAMAGED", format!("{damage}; the above is what stands before it")),
    }
    lines.join("\n") + "\n"
}

fn log(inspection: &Inspection) -> String {
    let Some(log) = inspection.log else { return "no entries".into() };
    let (first, last) = (log.first_index, log.last_index);
    format!("entries {first} to {last}, terms {} to {}", log.first_term, log.last_term)
}

fn snapshot(inspection: &Inspection) -> String {
    let Some(snapshot) = inspection.snapshot else { return "none".into() };
    let (index, term) = (snapshot.index, snapshot.term);
    let (data, metadata) = (snapshot.data_bytes, snapshot.metadata_bytes);
    format!("up to entry {index} of term {term}, {data} bytes and {metadata} of metadata")
}

fn segment(summary: &SegmentSummary) -> String {
    let SegmentSummary { file, bytes, used_bytes, frames, indices, terms } = summary;
    let mut text =
        format!("{}: {used_bytes} of {bytes} bytes used, {frames} frames", file.display());
    if let (Some((low, high)), Some((oldest, newest))) = (indices, terms) {
        let _ = write!(text, ", entries {low} to {high}, terms {oldest} to {newest}");
    }
    text
}

fn watermark(inspection: &Inspection) -> String {
    let Some(watermark) = inspection.watermark else { return "not readable".into() };
    let mut text = format!(
        "synced up to byte {} of segment {}: entry {}, term {}",
        watermark.position.offset, watermark.position.segment, watermark.last_index, watermark.term
    );
    if inspection.unreadable_watermark_slots > 0 {
        text += "; its other slot is not readable, which does no harm";
    }
    text
}
