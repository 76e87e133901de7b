//! The stages of `cargo xtask test`, in the order in which they run.

use std::time::{Duration, Instant};

use crate::instructions::{self, Compared};
use crate::paths::root;
use crate::run::{Run, side_by_side};
use crate::workspace::APART;
use crate::{
    api, bench, compatibility, coverage, documents, features, guide, layering, limits, msrv, package,
    packaging, test_programs, tools, workflows,
};

/// The result of a stage that did not fail.
enum Done {
    Passed,
    /// The stage could not run, for a reason outside of the project; this does not count as passed.
    Skipped(String),
}

type Outcome = Result<Done, String>;

struct Stage {
    name: &'static str,
    about: &'static str,
    run: fn() -> Outcome,
}

const STAGES: &[Stage] = &[
    Stage { name: "fmt", about: "formatting", run: fmt },
    Stage {
        name: "clippy",
        about: "lints of all targets, benchmarks and examples too; warnings are errors",
        run: clippy,
    },
    Stage { name: "docs", about: "documentation, warnings are errors", run: docs },
    Stage { name: "purity", about: "the protocol of engineio builds without tokio and hyper", run: purity },
    Stage { name: "features", about: "each combination of features builds", run: powerset },
    Stage {
        name: "layering",
        about: "the modules of each crate use each other in one direction only",
        run: layers,
    },
    Stage {
        name: "limits",
        about: "every limit of SECURITY.md has a test that is run, and so has every feature of docs/compatibility.md",
        run: limited,
    },
    Stage {
        name: "paths",
        about: "the files that ARCHITECTURE.md and CONTRIBUTING.md name exist",
        run: existing,
    },
    Stage {
        name: "guide",
        about: "mdBook builds the guide, and the links of all Markdown files lead somewhere",
        run: guided,
    },
    Stage {
        name: "api",
        about: "the public API is the one of <crate>/api.txt, and names no other crate's types than listed",
        run: public_api,
    },
    Stage { name: "msrv", about: "no dependency needs a newer Rust than we promise", run: rust_version },
    Stage {
        name: "package",
        about: "each published package has its metadata, and compiles from its packed form",
        run: packaged,
    },
    Stage { name: "test", about: "unit tests, integration tests, doc tests", run: test },
    Stage {
        name: "autobahn",
        about: "the cases of Autobahn, without those of compression, against the WebSockets of server and client",
        run: autobahn,
    },
    Stage {
        name: "packaging",
        about: "the gateway starts from a Debian package, an npm package, a wheel and a root file system",
        run: packaged_programs,
    },
    Stage { name: "workflows", about: "the workflows of .github are valid", run: linted_workflows },
    Stage { name: "unit", about: "systemd understands the units", run: unit },
    Stage {
        name: "coverage",
        about: "every behaviour of the official suites has a test or a reason",
        run: covered,
    },
    Stage {
        name: "instructions",
        about: "no hot path takes 3 % more instructions than benches/instructions.txt says",
        run: counted,
    },
    Stage {
        name: "bench",
        about: "under load every delivery is right: the comparison of whole servers, briefly, ours alone",
        run: benched,
    },
    Stage { name: "deny", about: "licences, sources and duplicate dependencies", run: deny },
    Stage { name: "advisories", about: "known vulnerabilities of dependencies", run: advisories },
    Stage { name: "fuzz", about: "the seeds and 15 seconds of each fuzz target", run: fuzz },
];

/// Folders with npm packages for tests.
const NPM_FOLDERS: &[&str] = &["systems", "tests/browser", "tests/interop", "tests/parser"];
pub(crate) fn list() {
    for stage in STAGES {
        println!("{:<14}{}", stage.name, stage.about);
    }
}

/// Stages that run while another one does. The programs of tests wait for most of their time, which leaves the
/// processor to the compiler.
const BESIDE: &[(&str, &[&str])] = &[("test", &["features", "guide", "api"])];

/// A stage that was run.
struct Ran {
    name: &'static str,
    seconds: u64,
    outcome: Outcome,
}

/// Runs the named stages, or all.
pub(crate) fn run(names: &[&str]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| !STAGES.iter().any(|stage| stage.name == **name)) {
        return Err(format!("there is no stage {unknown}; `cargo xtask test --list` names them"));
    }
    let is_named = |name: &str| names.is_empty() || names.contains(&name);
    let mut ran = Vec::new();
    for stage in STAGES.iter().filter(|stage| is_named(stage.name)) {
        if BESIDE.iter().any(|(name, beside)| is_named(name) && beside.contains(&stage.name)) {
            continue;
        }
        let beside: &[&str] =
            BESIDE.iter().find(|(name, _)| *name == stage.name).map_or(&[], |(_, beside)| beside);
        let beside = STAGES.iter().filter(|stage| is_named(stage.name) && beside.contains(&stage.name));
        std::thread::scope(|scope| {
            let others = scope.spawn(|| beside.map(Stage::run).collect::<Vec<_>>());
            ran.push(stage.run());
            ran.extend(others.join().expect("a stage does not panic"));
        });
    }
    let rows: Vec<String> = ran.iter().map(Ran::row).collect();
    let errors: Vec<String> = ran.iter().filter_map(Ran::error).collect();
    // Repeated at the end, which is the most visible place, and the only part of a long log that some hosts
    // keep.
    println!("{}", errors.join("\n"));
    let failed = errors.len();
    let skipped = ran.iter().filter(|ran| matches!(ran.outcome, Ok(Done::Skipped(_)))).count();
    let passed = rows.len() - failed - skipped;
    println!("\n{}\n{passed} passed, {failed} failed, {skipped} skipped", rows.join("\n"));
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} stages failed", rows.len())) }
}

impl Stage {
    fn run(&self) -> Ran {
        println!("\n== {}: {}", self.name, self.about);
        let begun = Instant::now();
        let outcome = (self.run)();
        if let Err(error) = &outcome {
            eprintln!("{error}");
        }
        Ran { name: self.name, seconds: begun.elapsed().as_secs(), outcome }
    }
}

impl Ran {
    fn row(&self) -> String {
        let result = match &self.outcome {
            Ok(Done::Passed) => "passed".to_owned(),
            Ok(Done::Skipped(why)) => format!("skipped: {why}"),
            Err(_) => "FAILED".to_owned(),
        };
        format!("{:<14}{:>5} s  {result}", self.name, self.seconds)
    }

    fn error(&self) -> Option<String> {
        let error = self.outcome.as_ref().err()?;
        Some(format!("\n== {} failed: {error}", self.name))
    }
}

fn all(runs: impl IntoIterator<Item = Run>) -> Outcome {
    runs.into_iter().try_for_each(Run::status).map(|()| Done::Passed)
}

fn fmt() -> Outcome {
    let apart = APART.iter().map(|manifest| Run::cargo(&["fmt", "--manifest-path", manifest, "--check"]));
    all(std::iter::once(Run::cargo(&["fmt", "--all", "--check"])).chain(apart))
}

fn clippy() -> Outcome {
    all([Run::cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])])
}

fn docs() -> Outcome {
    let docs = ["doc", "--workspace", "--all-features", "--no-deps", "--document-private-items"];
    all([Run::cargo(&docs).env("RUSTDOCFLAGS", "-D warnings")])
}

fn purity() -> Outcome {
    Run::cargo(&["check", "-p", "engineio", "--no-default-features"])
        .env("RUSTFLAGS", "-D warnings")
        .status()?;
    let tree = ["tree", "-p", "engineio", "--no-default-features", "-e", "normal", "--prefix", "none"];
    let tree = Run::cargo(&tree).output()?;
    for forbidden in ["tokio", "hyper", "http"] {
        if tree.lines().any(|line| line.split(' ').next() == Some(forbidden)) {
            return Err(format!("the pure half of engineio depends on {forbidden}"));
        }
    }
    Ok(Done::Passed)
}

fn powerset() -> Outcome {
    features::check().map(|()| Done::Passed)
}

fn layers() -> Outcome {
    layering::check().map(|()| Done::Passed)
}

fn limited() -> Outcome {
    limits::check(&root())?;
    compatibility::check(&root()).map(|()| Done::Passed)
}

fn existing() -> Outcome {
    documents::check(&root()).map(|()| Done::Passed)
}

fn guided() -> Outcome {
    guide::check().map(|()| Done::Passed)
}

fn public_api() -> Outcome {
    Ok(match api::check()? {
        api::Compared::Same => Done::Passed,
        api::Compared::Unlike(why) => Done::Skipped(why),
    })
}

fn rust_version() -> Outcome {
    msrv::check().map(|()| Done::Passed)
}

fn packaged() -> Outcome {
    package::check().map(|()| Done::Passed)
}

fn test() -> Outcome {
    for folder in NPM_FOLDERS.iter().filter(|folder| root().join(folder).join("package.json").exists()) {
        tools::npm_packages(folder)?;
    }
    tools::python_packages()?;
    tools::schemathesis()?;
    tools::openssl()?;
    tools::servers()?;
    tools::rust_socketio()?;
    tools::peer("socketioxide")?;
    let chromium = tools::chromium()?;
    test_programs::run(&[("CHROMIUM", &chromium)]).map(|()| Done::Passed)
}

fn autobahn() -> Outcome {
    let python = tools::python_environment("autobahn", "tests/autobahn/requirements.txt")?;
    test_programs::build()?;
    let program = tools::target().join("debug").join("autobahn");
    let cases = ["tests/autobahn/run.py", &program.to_string_lossy()];
    all([Run::new(&python, &cases, &root()).limit(Duration::from_secs(330))])
}

fn packaged_programs() -> Outcome {
    packaging::check().map(|()| Done::Passed)
}

fn linted_workflows() -> Outcome {
    workflows::check().map(|()| Done::Passed)
}

/// The units, and the names under which they are verified.
const UNITS: &[(&str, &str)] = &[
    ("gateway/deploy/socketio-gateway.service", "socketio-gateway.service"),
    ("systems/axum-plugin/deploy/axum-plugin.service", "axum-plugin.service"),
    ("systems/bot-channel/deploy/bot-channel.service", "bot-channel.service"),
    ("systems/dual-gateway/deploy/dual-gateway@.service", "dual-gateway@both.service"),
    ("systems/service-bus/deploy/service-bus.service", "service-bus.service"),
    ("systems/websocket-rooms/deploy/websocket-rooms.service", "websocket-rooms.service"),
];

fn unit() -> Outcome {
    let program = "systemd-analyze";
    if Run::new(program, &["--version"], &root()).output().is_err() {
        return Ok(Done::Skipped(format!("{program} is not on the PATH")));
    }
    all(UNITS.iter().map(|(file, name)| verified(file, name)).collect::<Result<Vec<_>, _>>()?)
}

/// The verification of a unit, under the name of an instance if it is a template.
fn verified(file: &str, name: &str) -> Result<Run, String> {
    let unit = root().join(file);
    let text = std::fs::read_to_string(&unit).map_err(|error| format!("{}: {error}", unit.display()))?;
    let program = name.trim_end_matches(".service").split('@').next().unwrap_or_default();
    // The verification checks that the program of a unit exists, so it gets the path of an existing one.
    let wanted = format!("/usr/local/bin/{program}");
    if !text.contains(&wanted) {
        return Err(format!("{}: {wanted} is not what it starts", unit.display()));
    }
    let folder = tools::target().join("unit");
    let copy = folder.join(name);
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&copy, text.replace(&wanted, "/bin/true")))
        .map_err(|error| format!("{}: {error}", copy.display()))?;
    Ok(Run::new("systemd-analyze", &["verify", &copy.to_string_lossy()], &root()))
}

fn covered() -> Outcome {
    coverage::report(None).map(|()| Done::Passed)
}

fn counted() -> Outcome {
    Ok(match instructions::check()? {
        Compared::Held => Done::Passed,
        Compared::Unlike(why) => Done::Skipped(why),
    })
}

fn benched() -> Outcome {
    bench::check().map(|()| Done::Passed)
}

fn deny() -> Outcome {
    let deny = tools::cargo_tool("cargo-deny", "0.20.2")?;
    all([Run::new(&deny, &["--all-features", "check", "licenses", "bans", "sources"], &root())])
}

fn advisories() -> Outcome {
    let deny = tools::cargo_tool("cargo-deny", "0.20.2")?;
    let fetched = Run::new(&deny, &["fetch", "db"], &root()).limit(Duration::from_secs(120)).status();
    if let Err(error) = fetched {
        let what = error.lines().next().unwrap_or_default();
        return Ok(Done::Skipped(format!("the advisory database cannot be reached ({what})")));
    }
    all([Run::new(&deny, &["--all-features", "check", "advisories"], &root())])
}

fn fuzz() -> Outcome {
    let cargo_fuzz = tools::cargo_tool("cargo-fuzz", "0.13.1")?;
    let folders = std::fs::read_dir(root().join("fuzz")).map_err(|error| format!("fuzz: {error}"))?;
    let mut folders: Vec<_> = folders.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    for folder in folders.iter().filter(|folder| folder.join("Cargo.toml").exists()) {
        // The sanitizer and coverage flags are unstable; the crates themselves are not built differently.
        let fuzz = |arguments: &[&str]| {
            let arguments: Vec<&str> = ["fuzz"].iter().chain(arguments).copied().collect();
            Run::new(&cargo_fuzz, &arguments, folder)
                .env("RUSTC_BOOTSTRAP", "1")
                // All projects use their dependencies with the same features, so that each is built once for all.
                .env("CARGO_UNSTABLE_FEATURE_UNIFICATION", "true")
                .env("CARGO_RESOLVER_FEATURE_UNIFICATION", "workspace")
        };
        let targets = fuzz(&["list", "--fuzz-dir", "."]).output()?;
        let shared = ["--fuzz-dir", ".", "--target-dir", "../target"];
        fuzz(&[&["build"], &shared[..]].concat()).status()?;
        let mut runs = Vec::new();
        for target in targets.lines() {
            let limits = ["-max_total_time=15", "-rss_limit_mb=2048", "-verbosity=0"];
            // New inputs are written to the first folder; the second one is in the repository. All inputs of
            // both are run first.
            let (corpus, seeds) = (format!("corpus/{target}"), format!("seeds/{target}"));
            if !folder.join(&seeds).is_dir() {
                return Err(format!("{}: the target has no seeds", folder.join(&seeds).display()));
            }
            std::fs::create_dir_all(folder.join(&corpus)).map_err(|error| format!("{corpus}: {error}"))?;
            let inputs = [target, &corpus, &seeds, "--"];
            runs.push(fuzz(&[&["run"], &shared[..], &inputs, &limits].concat()));
        }
        side_by_side(runs)?;
    }
    Ok(Done::Passed)
}
