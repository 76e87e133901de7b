//! How the cost of our server grows with what there is of something, and the power that fits it best.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use super::report::shown;
use super::{median, servers};
use crate::root;

/// How often each size is measured.
const ROUNDS: usize = 3;

/// One thing of which there is more and more.
struct Axis {
    name: &'static str,
    about: &'static str,
    /// The generator's arguments; `%` is the size.
    load: &'static str,
    sizes: &'static [u64],
    /// What is looked at, and how it is called.
    figure: &'static str,
    unit: &'static str,
}

const AXES: &[Axis] = &[
    Axis {
        name: "Connections",
        about: "Echo of a short string, one message under way in each of so many clients.",
        load: "echo --size 32 --window 1 --conns %",
        sizes: &[10, 100, 1000, 10_000],
        figure: "cpu_us",
        unit: "µs of CPU for a round trip",
    },
    Axis {
        name: "Idle connections",
        about: "Clients that connected and say nothing.",
        load: "idle --settle 0.5 --conns %",
        sizes: &[1000, 3000, 10_000],
        figure: "bytes_each",
        unit: "bytes for a connection",
    },
    Axis {
        name: "Receivers",
        about: "Broadcasts of a short string to so many clients, four under way.",
        load: "broadcast --size 64 --window 4 --conns %",
        sizes: &[10, 100, 1000, 10_000],
        figure: "cpu_us",
        unit: "µs of CPU for a delivery",
    },
    Axis {
        name: "Rooms",
        about: "So many rooms of ten clients, one message under way in each.",
        load: "rooms --size 64 --per-room 10 --window 1 --rooms %",
        sizes: &[10, 100, 1000],
        figure: "cpu_us",
        unit: "µs of CPU for a delivery",
    },
    Axis {
        name: "Message size",
        about: "Echo of an object of so many bytes, handed on unread.",
        load: "echo --kind json --window 1 --conns 20 --size %",
        sizes: &[256, 1024, 4096, 16_384, 65_536],
        figure: "cpu_us",
        unit: "µs of CPU for a round trip",
    },
    Axis {
        name: "Size of binary messages",
        about: "Echo of one attachment of so many bytes.",
        load: "echo --kind binary --window 1 --conns 20 --size %",
        sizes: &[256, 1024, 4096, 16_384, 65_536],
        figure: "cpu_us",
        unit: "µs of CPU for a round trip",
    },
];

/// Measures all, and writes `benches/GROWTH.md`.
pub(super) fn run() -> Result<(), String> {
    let load = servers::load_generator()?;
    let ours = servers::SERVERS.first().ok_or("there is no server")?;
    let launch = (ours.prepare)()?;
    let mut text = format!(
        "# How cost grows\n\n`cargo xtask bench --growth` writes this file: our server ({}) on one core, the generator on \
         another, medians of {ROUNDS} rounds. The fit is the power of the size that the figure grows with: 0 is a cost \
         that does not depend on it, 1 is proportional.\n",
        launch.version
    );
    for axis in AXES {
        let mut points = Vec::new();
        for &size in axis.sizes {
            let load_arguments = axis.load.replace('%', &size.to_string());
            let arguments: Vec<&str> =
                load_arguments.split_whitespace().chain(["--warmup", "0.3", "--secs", "0.8"]).collect();
            let mut figures = Vec::new();
            for _ in 0..ROUNDS {
                let result: Value = launch.measure(&load, &arguments)?;
                let figure = result[axis.figure].as_f64();
                figures.push(figure.ok_or_else(|| format!("{load_arguments}: {}", result["error"]))?);
            }
            let figure = median(figures).unwrap_or_default();
            println!("{:<24}{size:>8} {figure:>12.2} {}", axis.name, axis.unit);
            points.push((size as f64, figure));
        }
        table(&mut text, axis, &points);
    }
    fs::write(root().join("benches/GROWTH.md"), text).map_err(|error| format!("benches/GROWTH.md: {error}"))
}

fn table(text: &mut String, axis: &Axis, points: &[(f64, f64)]) {
    let _ = writeln!(text, "\n## {}\n\n{} `{}`\n", axis.name, axis.about, axis.load);
    let _ = writeln!(text, "| {} | {} |\n| ---: | ---: |", axis.name.to_lowercase(), axis.unit);
    for (size, figure) in points {
        let _ = writeln!(text, "| {size} | {} |", shown(Some(*figure)));
    }
    let power = fit(points);
    let _ = writeln!(text, "\nFitted: grows with the power {power:.2} of it.");
    // A fixed cost hides how the rest grows, so what is added is said too.
    if let [.., (before, less), (size, more)] = points {
        if power > 0.1 {
            let each = (more - less) / (size - before) * 1000.0;
            let _ = writeln!(text, "Between the last two: {} for every further thousand.", shown(Some(each)));
        }
    }
}

/// The slope of the straight line through the logarithms, by least squares.
fn fit(points: &[(f64, f64)]) -> f64 {
    let points: Vec<(f64, f64)> = points.iter().map(|(size, figure)| (size.ln(), figure.ln())).collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_power_is_found() {
        let points: Vec<(f64, f64)> =
            [1.0, 10.0, 100.0].map(|size: f64| (size, 3.0 * size.powf(1.5))).to_vec();
        assert!((fit(&points) - 1.5).abs() < 1e-9);
    }
}
