//! The plot: for each scenario a group of bars, CPU time as a multiple of the limit, on a logarithmic scale.

use std::fmt::Write as _;

use super::figures::shown;
use super::measured::Measured;
use super::scenarios::Scenario;
use super::servers::SERVERS;

const LEFT: f64 = 170.0;
const WIDTH: f64 = 900.0;
const BAR: f64 = 13.0;
const GAP: f64 = 12.0;
const TOP: f64 = 70.0;

pub(super) fn draw(measured: &Measured, scenarios: &[&Scenario], servers: &[&str]) -> String {
    let bars: Vec<&str> = servers.iter().copied().filter(|server| *server != "limit").collect();
    let ratio = |scenario: &Scenario, server: &str| measured.ratio(scenario.name, server, "limit", "cpu_us");
    let most = scenarios
        .iter()
        .flat_map(|scenario| bars.iter().filter_map(|server| ratio(scenario, server)))
        .fold(10.0, f64::max);
    let scale = (WIDTH - LEFT - 60.0) / most.log10();
    let x = |ratio: f64| LEFT + ratio.max(1.0).log10() * scale;
    let group = bars.len() as f64 * BAR + GAP;
    let height = TOP + scenarios.len() as f64 * group + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"15\">CPU time of the server as a multiple of the limit; shorter is \
         better</text>\n"
    );
    let colour = |name: &str| {
        SERVERS.iter().find(|server| server.name == name).map_or("black", |server| server.colour)
    };
    for (at, server) in bars.iter().enumerate() {
        let left = LEFT + at as f64 * 110.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"30\" width=\"11\" height=\"11\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"40\">{server}</text>",
            colour(server),
            left + 16.0
        );
    }
    for (decade, step) in
        [1, 10, 100, 1000].into_iter().flat_map(|decade| [(decade, 1), (decade, 2), (decade, 5)])
    {
        let value = f64::from(decade * step);
        if value <= most {
            let at = x(value);
            let _ = writeln!(
                svg,
                "<line x1=\"{at:.1}\" y1=\"{}\" x2=\"{at:.1}\" y2=\"{}\" stroke=\"#ddd\"/>\
                 <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{value}×</text>",
                TOP - 5.0,
                height - 10.0,
                TOP - 9.0
            );
        }
    }
    for (row, scenario) in scenarios.iter().enumerate() {
        let top = TOP + row as f64 * group;
        let middle = top + bars.len() as f64 * BAR / 2.0 + 4.0;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\" font-size=\"12\">{}</text>",
            LEFT - 8.0,
            scenario.name
        );
        for (at, server) in bars.iter().enumerate() {
            let Some(ratio) = ratio(scenario, server) else { continue };
            let y = top + at as f64 * BAR;
            let _ = writeln!(
                svg,
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"{}\" font-size=\"10\">{}</text>",
                (x(ratio) - LEFT).max(1.0),
                BAR - 2.0,
                colour(server),
                x(ratio) + 4.0,
                y + BAR - 4.0,
                shown(Some(ratio))
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}
