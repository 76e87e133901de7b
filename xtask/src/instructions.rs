//! Instruction counts of the hot paths, measured by callgrind and compared with `benches/instructions.txt`.
//!
//! The counts do not depend on the load of the machine, so a regression is visible on any machine. They do
//! depend on the compiler, the C library and the processor's features: counts from another environment are
//! not compared.

use std::fmt::Write as _;
use std::fs;

use crate::paths::root;
use crate::run::Run;
use crate::tools;

/// File with the reference counts.
const KEPT: &str = "benches/instructions.txt";
/// Increase in percent that counts as a regression.
const TOLERANCE: f64 = 3.0;

/// Result of a comparison.
pub(crate) enum Compared {
    /// No path exceeds its reference.
    Held,
    /// The reference counts come from another environment, which is described.
    Unlike(String),
}

/// Measures once or `--runs N` times, and compares; with `--update` stores the new counts as the reference.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let usage = "cargo xtask instructions [--update] [--runs N]";
    match arguments {
        [] => match check()? {
            Compared::Held => Ok(()),
            Compared::Unlike(why) => Err(format!("not comparable: {why}")),
        },
        ["--update"] => {
            let paths = Paths::build()?;
            let text = written(&environment()?, &paths.count()?);
            fs::write(root().join(KEPT), text).map_err(|error| format!("{KEPT}: {error}"))
        }
        ["--runs", runs] => spread(runs.parse().map_err(|_| usage.to_owned())?),
        _ => Err(usage.to_owned()),
    }
}

/// Measures and compares with the reference.
pub(crate) fn check() -> Result<Compared, String> {
    let kept = fs::read_to_string(root().join(KEPT)).map_err(|error| format!("{KEPT}: {error}"))?;
    let (before, kept) = parse(&kept)?;
    let now = environment()?;
    if let Some((then, now)) = before.iter().zip(&now).find(|(then, now)| then != now) {
        return Ok(Compared::Unlike(format!(
            "{KEPT} was counted with \"{then}\", here is \"{now}\"; `cargo xtask instructions --update` counts anew"
        )));
    }
    let counts = Paths::build()?.count()?;
    let verdicts = compare(&kept, &counts);
    print!("{}", verdicts.table);
    if verdicts.failed.is_empty() {
        return Ok(Compared::Held);
    }
    Err(format!(
        "{}\nif that is meant, `cargo xtask instructions --update` keeps the new counts",
        verdicts.failed.join("\n")
    ))
}

/// The paths, and their instructions per iteration.
type Counts = Vec<(String, f64)>;

/// The program whose paths are counted.
struct Paths {
    valgrind: String,
    program: String,
    /// Their names, and the number of iterations of each.
    names: Vec<(String, f64)>,
}

impl Paths {
    fn build() -> Result<Self, String> {
        let valgrind = tools::valgrind()?;
        Run::cargo(&["build", "--profile", "dist", "-p", "benches", "--bin", "instructions"]).status()?;
        let program = tools::target().join("dist").join("instructions").to_string_lossy().into_owned();
        let list = Run::new(&program, &["--list"], &root()).output()?;
        let names = list.lines().filter_map(number_behind).collect();
        Ok(Self { valgrind, program, names })
    }

    fn count(&self) -> Result<Counts, String> {
        let file = tools::target().join("callgrind.out");
        let out = format!("--callgrind-out-file={}", file.to_string_lossy());
        let flags = ["--quiet", "--tool=callgrind", "--toggle-collect=*instructions::measured*", &out];
        let mut counts = Counts::new();
        for (name, times) in &self.names {
            let arguments = [&flags[..], &[&self.program, name]].concat();
            Run::new(&self.valgrind, &arguments, &root()).output()?;
            let profile =
                fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            let total = profile.lines().find_map(|line| line.strip_prefix("totals: ")?.parse::<f64>().ok());
            match total {
                Some(total) if total > 0.0 => counts.push((name.clone(), total / times)),
                _ => return Err(format!("callgrind counted nothing for {name}")),
            }
        }
        Ok(counts)
    }
}

/// The properties of the environment on which the counts depend.
fn environment() -> Result<Vec<String>, String> {
    let first = |program: &str, arguments: &[&str]| {
        let output = Run::new(program, arguments, &root()).output()?;
        Ok::<_, String>(output.lines().next().unwrap_or_default().to_owned())
    };
    let libc = first("ldd", &["--version"]).unwrap_or_else(|_| "ldd cannot tell".to_owned());
    tools::valgrind()?;
    Ok(vec![
        first("rustc", &["--version"])?,
        libc,
        first("valgrind", &["--version"])?,
        processor().to_owned(),
    ])
}

/// The processor features for which libraries have specialized code.
fn processor() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return "x86_64 with avx2";
    }
    std::env::consts::ARCH
}

fn written(environment: &[String], counts: &Counts) -> String {
    let mut text = String::from(
        "# Instructions of each hot path, counted by callgrind. `cargo xtask instructions --update` writes this file.\n",
    );
    for line in environment {
        let _ = writeln!(text, "with {line}");
    }
    for (name, count) in counts {
        let _ = writeln!(text, "{name:<24}{count:>10.0}");
    }
    text
}

/// Parses the environment and the counts from the output of [`written`].
fn parse(text: &str) -> Result<(Vec<String>, Counts), String> {
    let mut environment = Vec::new();
    let mut counts = Counts::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(with) = line.strip_prefix("with ") {
            environment.push(with.to_owned());
        } else {
            counts.push(number_behind(line).ok_or_else(|| format!("{KEPT}: {line:?} is no count"))?);
        }
    }
    Ok((environment, counts))
}

fn number_behind(line: &str) -> Option<(String, f64)> {
    let (name, number) = line.split_once(' ')?;
    Some((name.to_owned(), number.trim().parse().ok()?))
}

struct Verdicts {
    table: String,
    failed: Vec<String>,
}

fn compare(kept: &Counts, counts: &Counts) -> Verdicts {
    let mut verdicts = Verdicts { table: String::new(), failed: Vec::new() };
    let find =
        |counts: &Counts, name: &str| counts.iter().find(|(known, _)| known == name).map(|(_, count)| *count);
    for (name, count) in counts {
        let Some(before) = find(kept, name) else {
            verdicts.failed.push(format!("{name} is not in {KEPT}"));
            continue;
        };
        let change = (count / before - 1.0) * 100.0;
        let _ = writeln!(verdicts.table, "{name:<24}{before:>10.0} -> {count:>10.0}  {change:>+6.1} %");
        if *count > before * (1.0 + TOLERANCE / 100.0) {
            verdicts.failed.push(format!("{name} takes {change:.1} % more instructions than it did"));
        }
    }
    for (name, _) in kept.iter().filter(|(name, _)| find(counts, name).is_none()) {
        verdicts.failed.push(format!("{name} is in {KEPT} and not counted any more"));
    }
    verdicts
}

/// Measures several times, and reports the spread of the counts.
fn spread(runs: usize) -> Result<(), String> {
    let paths = Paths::build()?;
    let rounds = (0..runs.max(1)).map(|_| paths.count()).collect::<Result<Vec<_>, _>>()?;
    for (path, (name, _)) in paths.names.iter().enumerate() {
        let counts = || rounds.iter().map(|round| round[path].1);
        let (least, most) = (counts().fold(f64::MAX, f64::min), counts().fold(0.0, f64::max));
        println!("{name:<24}{least:>10.1} to {most:>10.1}  {:>6.3} %", (most / least - 1.0) * 100.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, f64)]) -> Counts {
        of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn written_counts_can_be_read() {
        let environment = vec!["rustc 1.85.0".to_owned(), "valgrind-3.19.0".to_owned()];
        let counts = counts(&[("decode", 700.0), ("a-name-that-is-longer-than-most", 12_345_678.0)]);
        assert_eq!(parse(&written(&environment, &counts)), Ok((environment, counts)));
    }

    #[test]
    fn only_counts_above_the_tolerance_fail() {
        let kept = counts(&[("better", 1000.0), ("same", 1000.0), ("worse", 1000.0)]);
        let now = counts(&[("better", 500.0), ("same", 1030.0), ("worse", 1031.0)]);
        assert_eq!(compare(&kept, &now).failed, ["worse takes 3.1 % more instructions than it did"]);
    }

    #[test]
    fn added_and_removed_paths_are_reported() {
        let verdicts = compare(&counts(&[("old", 1.0)]), &counts(&[("new", 1.0)]));
        assert_eq!(verdicts.failed.len(), 2);
    }
}
