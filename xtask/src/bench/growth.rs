//! Growth of our server's cost with the size of the input, and the exponent of the best fit.

use std::fmt::Write as _;
use std::fs;

use super::figures::{median, shown};
use super::launch::Launch;
use super::report::machine;
use super::servers;
use crate::paths::root;

/// Number of rounds per size.
const ROUNDS: usize = 3;

/// A quantity that grows.
struct Axis {
    name: &'static str,
    about: &'static str,
    /// The generator's arguments; `%` is the size.
    load: &'static str,
    sizes: &'static [u64],
    /// The figure that is read, and its label.
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
    // Our server and the limit: growth of both is due to the kernel, or to the processor's caches.
    let launches: Vec<(&str, Launch)> = servers::SERVERS
        .iter()
        .take(2)
        .map(|server| Ok((server.name, (server.prepare)()?)))
        .collect::<Result<_, String>>()?;
    let mut text = format!(
        "# How cost grows\n\n`cargo xtask bench --growth` writes this file: our server and the limit (the same bytes with \
         no Socket.IO behind them) on one core, the generator on another, medians of {ROUNDS} rounds. The fit is the power \
         of the size that the figure grows with: 0 is a cost that does not depend on it, 1 is proportional.\n\n| | |\n\
         | --- | --- |\n"
    );
    for (name, launch) in &launches {
        let _ = writeln!(text, "| {name} | {} |", launch.version);
    }
    let _ = writeln!(text, "| machine | {} |", machine());
    for axis in AXES {
        let mut rows = Vec::new();
        for &size in axis.sizes {
            let figures: Vec<f64> = launches
                .iter()
                .map(|(_, launch)| measure(launch, &load, axis, size))
                .collect::<Result<_, _>>()?;
            println!("{:<24}{size:>8} {figures:>9.2?} {}", axis.name, axis.unit);
            rows.push((size as f64, figures));
        }
        let names: Vec<&str> = launches.iter().map(|(name, _)| *name).collect();
        table(&mut text, axis, &names, &rows);
    }
    fs::write(root().join("benches/GROWTH.md"), text).map_err(|error| format!("benches/GROWTH.md: {error}"))
}

fn measure(launch: &Launch, load: &str, axis: &Axis, size: u64) -> Result<f64, String> {
    let asked = axis.load.replace('%', &size.to_string());
    let arguments: Vec<&str> = asked.split_whitespace().chain(["--warmup", "0.3", "--secs", "0.7"]).collect();
    let mut figures = Vec::new();
    for _ in 0..ROUNDS {
        let result = launch.measure(load, &arguments)?;
        figures.push(result[axis.figure].as_f64().ok_or_else(|| format!("{asked}: {}", result["error"]))?);
    }
    Ok(median(figures).unwrap_or_default())
}

fn table(text: &mut String, axis: &Axis, names: &[&str], rows: &[(f64, Vec<f64>)]) {
    let _ = writeln!(text, "\n## {}\n\n{} `{}`, {}.\n", axis.name, axis.about, axis.load, axis.unit);
    let _ = writeln!(text, "| {} | {} |", axis.name.to_lowercase(), names.join(" | "));
    let _ = writeln!(text, "| ---: |{}", " ---: |".repeat(names.len()));
    for (size, figures) in rows {
        let figures: Vec<String> = figures.iter().map(|figure| shown(Some(*figure))).collect();
        let _ = writeln!(text, "| {} | {} |", size, figures.join(" | "));
    }
    let fits = (0..names.len()).map(|server| {
        let points: Vec<(f64, f64)> = rows.iter().map(|(size, figures)| (*size, figures[server])).collect();
        format!("{:.2}", fit(&points))
    });
    let fits: Vec<String> = fits.collect();
    let _ = writeln!(text, "| fitted power | {} |", fits.join(" | "));
}

/// Slope of the least-squares line through the logarithms.
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
    fn the_growth_exponent_is_computed() {
        let points: Vec<(f64, f64)> =
            [1.0, 10.0, 100.0].map(|size: f64| (size, 3.0 * size.powf(1.5))).to_vec();
        assert!((fit(&points) - 1.5).abs() < 1e-9);
    }
}
