//! Drawing by hand: escaping, scales, and what all charts share.

use std::fmt::Write;

use checker::verdict::Judgement;

use super::recording::Recording;

/// Width of every chart; it is scaled to the page.
pub(super) const WIDTH: f64 = 1160.0;
/// Where the time axis begins, right of the labels.
pub(super) const LEFT: f64 = 70.0;
const RIGHT: f64 = 10.0;
/// Room above the plot for the names of faults and phases.
pub(super) const TOP: f64 = 34.0;
/// Labels of faults closer than this are left out; the band and its title stay.
const LABEL_GAP: f64 = 24.0;

/// Text that stays text, in elements and in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() && c != '\n' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Times (nanoseconds) to places on the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeScale {
    from: f64,
    to: f64,
    left: f64,
}

impl TimeScale {
    pub(super) fn new(from: u64, to: u64, left: f64) -> Self {
        Self { from: from as f64, to: (to as f64).max(from as f64 + 1e6), left }
    }

    pub(super) fn x(&self, time: u64) -> f64 {
        let share = (time as f64 - self.from) / (self.to - self.from);
        self.left + share.clamp(0.0, 1.0) * (WIDTH - RIGHT - self.left)
    }

    /// Round times, about ten of them, in nanoseconds and in seconds.
    fn ticks(&self) -> Vec<(u64, String)> {
        let rough = (self.to - self.from) / 10.0 / 1e9;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(power * 10.0);
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let first = (self.from / 1e9 / step).ceil() as u64;
        let last = (self.to / 1e9 / step).floor() as u64;
        (first..=last)
            .map(|number| number as f64 * step)
            .map(|at| ((at * 1e9) as u64, format!("{at:.digits$}")))
            .collect()
    }

    /// The time axis below a plot.
    pub(super) fn axis(&self, bottom: f64) -> String {
        let mut svg = format!(
            "<line class=\"axis\" x1=\"{:.1}\" y1=\"{bottom}\" x2=\"{:.1}\" y2=\"{bottom}\"/>",
            self.left,
            WIDTH - RIGHT
        );
        for (time, label) in self.ticks() {
            let (x, y) = (self.x(time), bottom + 16.0);
            let _ = write!(
                svg,
                "<text class=\"dim small\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>"
            );
        }
        svg
    }
}

/// A chart with a title, the bands of the faults, the phases and the time axis; `draw` adds the rest.
pub(super) fn chart(
    title: &str,
    recording: &Recording,
    judgement: &Judgement,
    height: f64,
    draw: impl FnOnce(&TimeScale) -> String,
) -> String {
    let scale = TimeScale::new(0, recording.end, LEFT);
    let bottom = TOP + height;
    format!(
        "<h3>{title}</h3><div class=\"scroll\"><svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">{}{}{}{}</svg></div>\n",
        bottom + 24.0,
        escape(title),
        bands(judgement, &scale, recording.end, bottom),
        phases(recording, &scale, bottom),
        draw(&scale),
        scale.axis(bottom),
    )
}

fn bands(judgement: &Judgement, scale: &TimeScale, end: u64, bottom: f64) -> String {
    let mut svg = String::new();
    let mut last_label = f64::NEG_INFINITY;
    for fault in &judgement.faults {
        let Some(began) = fault.began else { continue };
        let (from, to) = (scale.x(began), scale.x(fault.ended.unwrap_or(end)));
        let class = if fault.effective { "band" } else { "vacuous" };
        let title = format!("{}: {}; {}", fault.id, fault.action, fault.effect);
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            (to - from).max(1.5),
            bottom - TOP,
            escape(&title)
        );
        if from - last_label >= LABEL_GAP {
            last_label = from;
            let y = TOP - 4.0;
            let _ = write!(
                svg,
                "<text class=\"small\" x=\"{from:.1}\" y=\"{y}\">{}</text>",
                escape(&fault.id)
            );
        }
    }
    svg
}

fn phases(recording: &Recording, scale: &TimeScale, bottom: f64) -> String {
    let mut svg = String::new();
    let mut last_label = f64::NEG_INFINITY;
    for (name, time) in &recording.phases {
        let x = scale.x(*time);
        let _ = write!(
            svg,
            "<line class=\"phase\" x1=\"{x:.1}\" y1=\"16\" x2=\"{x:.1}\" y2=\"{bottom}\"/>"
        );
        if x - last_label > 74.0 && WIDTH - x > 60.0 {
            last_label = x;
            let _ = write!(
                svg,
                "<text class=\"dim small\" x=\"{:.1}\" y=\"14\">{}</text>",
                x + 3.0,
                escape(name)
            );
        }
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let labels = |from_ms: u64, to_ms: u64| -> Vec<String> {
            let scale = TimeScale::new(from_ms * 1_000_000, to_ms * 1_000_000, LEFT);
            scale.ticks().into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(0, 10_000)[..3], ["0", "1", "2"]);
        assert_eq!(labels(0, 16_000).last().unwrap(), "16");
        assert_eq!(labels(1_900, 2_000)[..2], ["1.90", "1.91"]);
        assert!(labels(5, 5).len() < 20);
    }
}
