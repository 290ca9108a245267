//! The measurements side by side, as Markdown.

use std::fmt;
use std::time::Duration;

use super::{Kind, Measured, Row};

/// A table that is ready to be shown.
#[derive(Debug)]
pub(crate) struct Table(String);

impl Table {
    pub(super) fn new(rows: &[Row]) -> Self {
        let mut text = String::from("| | clients |");
        for row in rows {
            text += &format!(" {} /s | p50 ms | p99 ms | CPU µs/op | MB a node |", row.system);
        }
        if rows.len() == 2 {
            text += " ratio |";
        }
        text += "\n|---|---|";
        text += &"---|".repeat(5 * rows.len() + usize::from(rows.len() == 2));
        text.push('\n');
        for place in 0..rows[0].loads.len() {
            text += &line(rows, place);
        }
        text.push('\n');
        for row in rows {
            for (what, took) in &row.outages {
                text += &outage(row.system, what, took);
            }
        }
        Self(text)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One kind of load with one number of clients, in all systems.
fn line(rows: &[Row], place: usize) -> String {
    let (clients, kind, _) = &rows[0].loads[place];
    let what = match kind {
        Kind::Write => "writes",
        Kind::Read => "linearizable reads",
    };
    let mut text = format!("| {what} | {clients} |");
    let loads: Vec<&Measured> = rows.iter().map(|row| &row.loads[place].2).collect();
    for load in &loads {
        let failed = match load.failed {
            0 => String::new(),
            failed => format!(" ({failed} failed)"),
        };
        text += &format!(
            " {:.0}{failed} | {:.2} | {:.2} | {:.0} | {:.0} |",
            load.per_second,
            milliseconds(load.p50),
            milliseconds(load.p99),
            load.cpu_per_operation.as_secs_f64() * 1e6,
            load.memory_bytes as f64 / 1e6,
        );
    }
    if let [ours, other] = loads.as_slice() {
        text += &format!(" {:.2} |", ours.per_second / other.per_second);
    }
    text + "\n"
}

/// Median and extremes.
fn outage(system: &str, what: &str, took: &[Duration]) -> String {
    let mut all = took.to_vec();
    all.sort_unstable();
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return String::new() };
    format!(
        "{system}: {:.0} ms {what} (median of {}; {:.0} to {:.0})\n",
        milliseconds(all[all.len() / 2]),
        all.len(),
        milliseconds(*first),
        milliseconds(*last),
    )
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_stand_side_by_side() {
        let row = |system, per_second| Row {
            system,
            loads: vec![(
                16,
                Kind::Write,
                Measured { per_second, p99: Duration::from_micros(1_500), ..Default::default() },
            )],
            outages: vec![(
                "from the kill".into(),
                [300, 100, 200].map(Duration::from_millis).to_vec(),
            )],
        };
        let text = Table::new(&[row("a", 300.0), row("b", 200.0)]).to_string();
        let line = text.lines().nth(2).unwrap();
        assert!(line.starts_with("| writes | 16 | 300 | 0.00 | 1.50 |"), "{line}");
        assert!(line.ends_with("| 1.50 |"), "{line}");
        assert!(text.contains("b: 200 ms from the kill"), "{text}");
        let columns = |n: usize| text.lines().nth(n).unwrap().matches('|').count();
        assert!(columns(0) == columns(1) && columns(1) == columns(2), "{text}");
    }
}
