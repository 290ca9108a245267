//! A cycle as a picture: transactions as boxes with their steps, dependencies as labelled arrows.

use super::findings::{Findings, Found};
use super::micro::{Action, Micro, Transactions};
use crate::certificate::{Dependency, Edge};
use crate::history::{History, ValueId};
use crate::models::Model;

/// A drawing of a shortest cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// The anomaly that it shows, good as the name of a file.
    pub name: &'static str,
    /// For Graphviz.
    pub dot: String,
    /// As a picture.
    pub svg: String,
}

/// Draws every cycle that was found.
pub fn drawings(history: &History, model: Model, findings: &Findings) -> Vec<Drawing> {
    let cycles = || findings.anomalies.iter().filter(|found| !found.cycle.is_empty());
    if cycles().next().is_none() {
        return vec![];
    }
    let Ok(transactions) = Transactions::of(history, model) else { return vec![] };
    let draw = |found| {
        let picture = Picture::of(&transactions, model, found);
        let (dot, svg) = (picture.dot(history, found), picture.svg(history, found));
        Drawing { name: found.anomaly.name(), dot, svg }
    };
    cycles().map(draw).collect()
}

/// What is drawn, from top to bottom.
struct Picture {
    /// `T1 · process 3 · line 17`.
    titles: Vec<String>,
    /// The steps of each transaction.
    boxes: Vec<Vec<String>>,
}

/// Width of a character, in pixels.
const CHARACTER: usize = 8;
/// Height of a line of text, in pixels.
const LINE: usize = 18;
/// Room between boxes for an arrow and its label, in pixels.
const GAP: usize = 46;
/// Room around everything, in pixels.
const MARGIN: usize = 24;
/// The longest text that is drawn whole, in characters; lists may be long.
const TEXT_MAX: usize = 72;

impl Picture {
    fn of(transactions: &Transactions<'_>, model: Model, found: &Found) -> Self {
        let places = || found.cycle.iter().map(|edge| edge.from);
        let title = |(number, place): (usize, u32)| {
            let view = transactions.history.view(place as usize);
            let node = view.node().map_or_else(String::new, |node| format!(" · {node}"));
            format!("T{} · process {}{node} · line {}", number + 1, view.process(), view.line())
        };
        Self {
            titles: places().enumerate().map(title).collect(),
            boxes: places().map(|place| steps(transactions, model, place)).collect(),
        }
    }

    fn dot(&self, history: &History, found: &Found) -> String {
        let name = found.anomaly;
        let mut text =
            format!("digraph \"{name}\" {{\n  node [shape=record, fontname=monospace];\n");
        for (number, (title, steps)) in self.titles.iter().zip(&self.boxes).enumerate() {
            let cells = escape_dot(&format!("{title}\n{}\n", steps.join("\n")));
            text += &format!("  T{} [label=\"{cells}\"];\n", number + 1);
        }
        for (at, edge) in found.cycle.iter().enumerate() {
            let (from, to) = (at + 1, (at + 1) % found.cycle.len() + 1);
            let label = escape_dot(&label(history, edge));
            text += &format!("  T{from} -> T{to} [label=\"{label}\"];\n");
        }
        text + "}\n"
    }

    fn svg(&self, history: &History, found: &Found) -> String {
        let texts = || self.titles.iter().chain(self.boxes.iter().flatten());
        let widest = texts().map(|text| text.chars().count()).max().unwrap_or(0);
        let box_width = widest * CHARACTER + 2 * CHARACTER;
        let back = found.cycle.last().map(|edge| label(history, edge)).unwrap_or_default();
        let width = box_width + 4 * MARGIN + back.chars().count() * CHARACTER;
        let mut body = String::new();
        let (mut top, mut first_middle) = (2 * MARGIN, None);
        for (number, (title, steps)) in self.titles.iter().zip(&self.boxes).enumerate() {
            let height = (steps.len() + 1) * LINE + LINE / 2;
            body += &transaction_box(top, box_width, height, title, steps);
            let middle = *first_middle.get_or_insert(top + height / 2);
            let bottom = top + height;
            if number + 1 < self.boxes.len() {
                let label = label(history, &found.cycle[number]);
                body += &arrow_down(MARGIN + box_width / 2, bottom, &label);
            } else {
                body += &arrow_back(MARGIN + box_width, bottom - height / 2, middle, &back);
            }
            top = bottom + GAP;
        }
        let height = top - GAP + MARGIN;
        let name = escape(found.anomaly.name());
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"monospace\" font-size=\"13\">\n\
             <title>{name}</title>\n\
             <defs><marker id=\"tip\" markerWidth=\"9\" markerHeight=\"8\" refX=\"8\" refY=\"4\" orient=\"auto\"><path d=\"M0 0L9 4L0 8z\"/></marker></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{MARGIN}\" y=\"{MARGIN}\" font-weight=\"bold\">{name}</text>\n{body}</svg>\n"
        )
    }
}

fn transaction_box(
    top: usize,
    width: usize,
    height: usize,
    title: &str,
    steps: &[String],
) -> String {
    let mut text = format!(
        "<rect x=\"{MARGIN}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"4\" fill=\"#f4f6fa\" stroke=\"#44506a\"/>\n"
    );
    let x = MARGIN + CHARACTER;
    text += &format!(
        "<text x=\"{x}\" y=\"{}\" font-weight=\"bold\">{}</text>\n",
        top + LINE,
        escape(title)
    );
    for (number, step) in steps.iter().enumerate() {
        text += &format!(
            "<text x=\"{x}\" y=\"{}\">{}</text>\n",
            top + (number + 2) * LINE,
            escape(step)
        );
    }
    text
}

fn arrow_down(x: usize, top: usize, label: &str) -> String {
    let (end, text, middle) = (top + GAP, x + CHARACTER, top + GAP / 2 + 4);
    format!(
        "<path d=\"M{x} {top}V{end}\" stroke=\"black\" marker-end=\"url(#tip)\"/>\n<text x=\"{text}\" y=\"{middle}\">{}</text>\n",
        escape(label)
    )
}

/// From the last transaction to the first, along the right side.
fn arrow_back(x: usize, from: usize, to: usize, label: &str) -> String {
    let (side, text, middle) = (x + MARGIN, x + MARGIN + CHARACTER, usize::midpoint(from, to));
    format!(
        "<path d=\"M{x} {from}H{side}V{to}H{x}\" fill=\"none\" stroke=\"#b3261e\" marker-end=\"url(#tip)\"/>\n<text x=\"{text}\" y=\"{middle}\">{}</text>\n",
        escape(label)
    )
}

/// The steps of a transaction, one line each: `append x 3`, `r x -> [1 2]`.
fn steps(transactions: &Transactions<'_>, model: Model, place: u32) -> Vec<String> {
    let values = transactions.history.values();
    let write = if model == Model::ListAppend { "append" } else { "w" };
    let step = |micro: &Micro| {
        let (key, value) =
            (values.words(transactions.keys[micro.key as usize]), values.words(micro.value));
        let text = match micro.action {
            Action::Write => format!("{write} {key} {value}"),
            Action::Read => format!("r {key} -> {value}"),
        };
        shortened(&text)
    };
    transactions.micros(place).iter().map(step).collect()
}

/// The beginning and the end of a text that is too long.
fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= TEXT_MAX {
        return text.to_string();
    }
    let half = TEXT_MAX / 2;
    let (head, tail) = (text.chars().take(half), text.chars().skip(count - half + 1));
    head.chain("…".chars()).chain(tail).collect()
}

/// `ww x`, `wr x`, `rw x`, `process`, `rt`.
fn label(history: &History, edge: &Edge) -> String {
    let name = match edge.kind {
        Dependency::WriteWrite => "ww",
        Dependency::WriteRead => "wr",
        Dependency::ReadWrite => "rw",
        Dependency::Process => "process",
        Dependency::RealTime => "rt",
    };
    match edge.key {
        ValueId::NIL => name.to_string(),
        key => shortened(&format!("{name} {}", history.values().words(key))),
    }
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A label of a record: braces, bars and angle brackets have a meaning there.
fn escape_dot(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\l"),
            '"' | '\\' | '{' | '}' | '|' | '<' | '>' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}
