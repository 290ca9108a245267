//! `report.html`: one file, no network, no script. The same recording gives the same bytes.

mod charts;
mod recording;
mod svg;
mod violation;

use std::fmt::Write;
use std::path::Path;

use checker::verdict::{CheckReport, Judgement, Verdict};

use self::recording::Recording;
use self::svg::escape;
use super::{span, word};
use crate::run_directory::RunInfo;

/// The whole page.
pub(super) fn page(
    directory: &Path,
    info: &RunInfo,
    judgement: &Judgement,
) -> anyhow::Result<String> {
    let recording = Recording::read(directory)?;
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}: {} (seed {})</title><style>{}</style></head><body><main>\n",
        word(judgement.verdict),
        escape(&info.workload),
        info.seed,
        include_str!("style.css"),
    );
    page += &banner(info, judgement);
    page += &violations(judgement);
    page += &checks(judgement);
    page += "<h2>What happened</h2>\n<p class=\"legend\">Shaded: faults in force. Dashed: phases of the run. Time in seconds since the run began.</p>\n";
    page += &charts::latency(&recording, judgement);
    page += &charts::rate(&recording, judgement);
    page += &charts::roles(&recording, judgement);
    page += &faults(judgement);
    page += &operations(judgement);
    page += &about(info);
    page += "</main></body></html>\n";
    Ok(page)
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "pass",
        Verdict::Invalid => "fail",
        Verdict::Unknown => "undecided",
    }
}

fn banner(info: &RunInfo, judgement: &Judgement) -> String {
    let reason = escape(&super::reason(judgement));
    let planted = info.planted.as_ref().map_or_else(String::new, |bug| {
        format!("<p>Planted bug: <code>{}</code></p>", escape(bug))
    });
    format!(
        "<header class=\"{}\"><h1>{} <span>{}</span></h1><p>{reason}</p>{planted}\
         <p>Seed {}. Again: <code>{}</code></p></header>\n",
        class(judgement.verdict),
        word(judgement.verdict),
        escape(&info.workload),
        info.seed,
        escape(&info.command),
    )
}

fn violations(judgement: &Judgement) -> String {
    let mut html = String::new();
    for check in judgement.checks.iter().filter(|check| !check.violations.is_empty()) {
        let _ = writeln!(html, "<h2>Violation of {}</h2>", escape(&check.name));
        for violation in &check.violations {
            html += &violation::section(violation);
        }
    }
    html
}

fn checks(judgement: &Judgement) -> String {
    let row = |check: &CheckReport| {
        format!(
            "<tr><td class=\"verdict {}\">{}</td><td>{}</td><td>{}</td></tr>\n",
            class(check.verdict),
            word(check.verdict),
            escape(&check.name),
            escape(&check.detail)
        )
    };
    let rows: String = judgement.checks.iter().map(row).collect();
    section("Checks", &["verdict", "check", "what was seen"], &rows)
}

fn faults(judgement: &Judgement) -> String {
    if judgement.faults.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for fault in &judgement.faults {
        let vacuous = if fault.effective { "" } else { "<b>without effect</b>: " };
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{vacuous}{}</td></tr>",
            escape(&fault.id),
            escape(&fault.action),
            span(fault.began, fault.ended),
            escape(&fault.effect)
        );
    }
    section("Faults", &["id", "what was done", "in force", "what it did"], &rows)
}

fn operations(judgement: &Judgement) -> String {
    let mut rows = String::new();
    for (name, counts) in &judgement.operations {
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escape(name),
            counts.ok,
            counts.fail,
            counts.info
        );
    }
    section("Operations", &["operation", "ok", "fail", "info"], &rows)
}

fn about(info: &RunInfo) -> String {
    let host: Vec<_> = info
        .host
        .iter()
        .map(|(name, value)| {
            format!("{name} {}", value.as_str().map_or_else(|| value.to_string(), str::to_string))
        })
        .collect();
    let hash = info.node_binary.get("sha256").map_or("unknown", String::as_str);
    let path = info.node_binary.get("path").map_or("unknown", String::as_str);
    let commit = info.commit.as_deref().unwrap_or("unknown");
    let mut rows = String::new();
    for (name, value) in [
        ("started", info.started.as_str()),
        ("nodes", info.nodes.join(", ").as_str()),
        ("host", host.join(", ").as_str()),
        ("faultline", format!("{}, commit {commit}", info.faultline).as_str()),
        ("node binary", path),
        ("its SHA-256", hash),
    ] {
        let _ = writeln!(rows, "<tr><td>{name}</td><td><code>{}</code></td></tr>", escape(value));
    }
    section("About this run", &["", ""], &rows)
}

fn section(title: &str, header: &[&str], rows: &str) -> String {
    let header: String = header.iter().map(|name| format!("<th>{name}</th>")).collect();
    format!(
        "<h2>{title}</h2>\n<div class=\"scroll\"><table><tr>{header}</tr>\n{rows}</table></div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{info, judgement};
    use super::*;

    const HISTORY: &str = r#"{"index":0,"time":100000000,"process":"nemesis","type":"info","f":"phase","value":{"phase":"drive"}}
{"index":1,"time":500000000,"process":0,"type":"invoke","f":"read","key":"k1","value":null,"node":"n1"}
{"index":2,"time":503000000,"process":0,"type":"ok","f":"read","key":"k1","value":3,"node":"n1"}
{"index":3,"time":600000000,"process":0,"type":"invoke","f":"write","key":"k1","value":4,"node":"n1"}
{"index":4,"time":3600000000,"process":0,"type":"info","f":"write","key":"k1","value":4,"node":"n1"}
"#;

    const TRACE: &str = r#"{"node":"n1","incarnation":1,"seq":0,"time":1000000,"term":0,"event":"started"}
{"node":"n1","incarnation":1,"seq":1,"time":200000000,"term":3,"event":"became_leader","last_index":0,"last_term":0}
"#;

    fn rendered(verdict: Verdict, history: &str, trace: Option<&str>) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("history.jsonl"), history).unwrap();
        if let Some(trace) = trace {
            std::fs::create_dir(dir.path().join("trace")).unwrap();
            std::fs::write(dir.path().join("trace/n1.1.jsonl"), trace).unwrap();
        }
        page(dir.path(), &info(), &judgement(verdict)).unwrap()
    }

    #[test]
    fn the_page_shows_verdict_violation_bands_and_roles_and_is_the_same_each_time() {
        let html = rendered(Verdict::Invalid, HISTORY, Some(TRACE));
        assert!(html.contains("<h1>FAIL <span>leader-storm</span></h1>"));
        assert!(html.contains("stale read at 2.000 s") && html.contains("Replaced by process 2."));
        assert!(html.contains("isolate leader n2 (term 4)") && html.contains("class=\"band\""));
        assert!(html.contains("leader, term 3"), "the role is named");
        assert_eq!(html, rendered(Verdict::Invalid, HISTORY, Some(TRACE)));
    }

    #[test]
    fn hostile_text_stays_text() {
        let html = rendered(Verdict::Invalid, HISTORY, None);
        assert!(!html.contains("<script>"), "no markup from a recording");
        assert!(
            html.contains("&lt;script&gt;") && html.contains("2 &lt;b&gt; &amp; &quot;more&quot;")
        );
        assert!(!html.contains("http://") && !html.contains("https://"), "nothing is fetched");
    }

    #[test]
    fn recordings_with_nothing_in_them_are_shown_too() {
        for verdict in [Verdict::Valid, Verdict::Unknown] {
            let html = rendered(verdict, "", None);
            assert!(html.contains(word(verdict)) && html.ends_with("</html>\n"));
        }
    }
}
