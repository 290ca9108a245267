//! One plot: how the time of the specialised checks grows with the number of operations.

use std::fmt::Write;

/// Seconds of each size, for one check.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Operations and seconds.
    pub points: Vec<(usize, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 60.0;
const COLOURS: [&str; 5] = ["#1b6ca8", "#c8553d", "#588157", "#7b2d8b", "#8a6d00"];

/// An SVG of all series, both axes linear and from zero: a straight line is linear cost.
pub fn svg(series: &[Series]) -> String {
    let points = || series.iter().flat_map(|series| &series.points);
    let most = points().map(|point| point.0).max().unwrap_or(1) as f64;
    let longest = points().map(|point| point.1).fold(0.01, f64::max) * 1.05;
    let x = |operations: f64| MARGIN + operations / most * (WIDTH - 2.0 * MARGIN);
    let y = |seconds: f64| HEIGHT - MARGIN - seconds / longest * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<path d="M{MARGIN} {MARGIN}V{0}H{1}" fill="none" stroke="#333"/>
"##,
        HEIGHT - MARGIN,
        WIDTH - MARGIN
    );
    for tick in 0..=8 {
        let (operations, seconds) = (most * f64::from(tick) / 8.0, longest * f64::from(tick) / 8.0);
        let _ = writeln!(
            svg,
            r#"<text x="{:.0}" y="{:.0}" text-anchor="middle">{:.0} M</text><text x="{:.0}" y="{:.0}" text-anchor="end">{seconds:.2} s</text>"#,
            x(operations),
            HEIGHT - MARGIN + 18.0,
            operations / 1e6,
            MARGIN - 6.0,
            y(seconds) + 4.0
        );
    }
    for (series, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let path: Vec<_> = std::iter::once(&(0, 0.0))
            .chain(&series.points)
            .map(|(operations, seconds)| format!("{:.1},{:.1}", x(*operations as f64), y(*seconds)))
            .collect();
        let end = series.points.last().map_or((0.0, 0.0), |end| (x(end.0 as f64), y(end.1)));
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/><text x="{:.0}" y="{:.0}" text-anchor="end" fill="{colour}">{}</text>"#,
            path.join(" "),
            end.0 - 8.0,
            end.1 - 6.0,
            series.name
        );
    }
    svg + "</svg>\n"
}
