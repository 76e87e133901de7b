//! The official suites, from a local checkout, against our servers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::run::Run;
use crate::tools::target;

struct Suite {
    name: &'static str,
    /// The binary of the package `tests` that implements the server of this suite, and the port that the
    /// suite expects.
    server: &'static str,
    port: u16,
    /// Folder of the suite in the checkout.
    folder: &'static str,
    repository: &'static str,
    /// The npm package whose published form the suite tests; the protocol suites need none.
    package: Option<&'static str>,
    mocha: &'static [&'static str],
    /// Number of tests that must pass.
    tests: usize,
}

const SUITES: &[Suite] = &[
    Suite {
        name: "eio",
        server: "suite-engineio",
        port: 3000,
        folder: "test-suite",
        repository: "socketio/engine.io-protocol",
        package: None,
        mocha: &["test-suite.js"],
        tests: 24,
    },
    Suite {
        name: "sio",
        server: "suite-socketio",
        port: 3000,
        folder: "test-suite",
        repository: "socketio/socket.io-protocol",
        package: None,
        mocha: &["test-suite.js"],
        tests: 32,
    },
    Suite {
        name: "eio-client",
        server: "suite-engineio-client",
        port: 3000,
        folder: "packages/engine.io-client/test",
        repository: "socketio/socket.io",
        package: Some("engine.io-client"),
        mocha: &["--require", "../hooks.cjs", "test/index.js"],
        tests: 83,
    },
    Suite {
        name: "sio-client",
        server: "suite-socketio-client",
        port: 3210,
        folder: "packages/socket.io-client/test",
        repository: "socketio/socket.io",
        package: Some("socket.io-client"),
        mocha: &["--import=tsx", "--require", "../hooks.cjs", "test/index.ts"],
        tests: 111,
    },
];

/// Packages that the client suites need besides the tested one.
const CLIENT_PACKAGES: &[&str] = &[
    "engine.io-client@6.6.6",
    "socket.io-client@4.8.3",
    "mocha@10",
    "tsx@4.20",
    "expect.js@0.3",
    "has-cors@1",
    "@sinonjs/fake-timers@11",
    "text-blob-builder",
    "base64-arraybuffer",
];

/// The suites start their own server in a hook; this hook starts none and only restores the clock after each
/// test.
const HOOKS: &str = "\
exports.mochaHooks = {
  afterEach() {
    if (globalThis.setTimeout.clock) globalThis.setTimeout.clock.uninstall();
  },
};
";

pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let [name, options @ ..] = arguments else { return Err(usage()) };
    let suite = SUITES.iter().find(|suite| suite.name == *name).ok_or_else(usage)?;
    let (mut checkout, mut runs, mut retries, mut nodes) = (None, 1, 3, "1");
    for option in options.chunks(2) {
        match *option {
            ["--checkout", folder] => checkout = Some(PathBuf::from(folder)),
            ["--runs", number] => runs = number.parse().map_err(|_| usage())?,
            ["--retries", number] => retries = number.parse().map_err(|_| usage())?,
            ["--nodes", number] => nodes = number,
            _ => return Err(usage()),
        }
    }
    let checkout = checkout
        .ok_or_else(|| format!("--checkout names a clone of the GitHub repository {}", suite.repository))?;
    let folder = prepare(suite, &checkout)?;
    Run::cargo(&["build", "--release", "-p", "tests", "--bin", suite.server]).status()?;
    let mut full = 0;
    for number in 1..=runs {
        let passed = once(suite, &folder, retries, nodes)?;
        println!("run {number}: {passed} of {} passed", suite.tests);
        full += usize::from(passed >= suite.tests);
    }
    if full == runs { Ok(()) } else { Err(format!("all {} passed in {full} of {runs} runs", suite.tests)) }
}

fn usage() -> String {
    let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
    format!("cargo xtask official {} --checkout DIR [--runs N] [--retries N] [--nodes N]", names.join("|"))
}

/// A copy of the suite with its npm packages, under the target folder.
fn prepare(suite: &Suite, checkout: &Path) -> Result<PathBuf, String> {
    let source = checkout.join(suite.folder);
    if !source.is_dir() {
        return Err(format!(
            "{} is no clone of {}: it has no {}",
            checkout.display(),
            suite.repository,
            suite.folder
        ));
    }
    let base = target().join("official").join(suite.name);
    fs::create_dir_all(&base).map_err(|error| format!("{}: {error}", base.display()))?;
    let Some(package) = suite.package else {
        copy(&source, &base)?;
        Run::new("npm", &["ci", "--no-audit", "--no-fund"], &base).status()?;
        // Other versions of ws lose the second of two messages that arrive together.
        Run::new("npm", &["install", "--no-save", "--no-audit", "--no-fund", "ws@8.16.0"], &base).status()?;
        return Ok(base);
    };
    if !base.join("node_modules").is_dir() {
        Run::new("npm", &["init", "-y"], &base).output()?;
        let install: Vec<&str> =
            ["install", "--no-audit", "--no-fund"].iter().chain(CLIENT_PACKAGES).copied().collect();
        Run::new("npm", &install, &base).status()?;
    }
    fs::write(base.join("hooks.cjs"), HOOKS).map_err(|error| error.to_string())?;
    let folder = base.join(package);
    copy(&base.join("node_modules").join(package), &folder)?;
    copy(&source, &folder.join("test"))?;
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(failed)?;
    for entry in fs::read_dir(from).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target).map_err(failed)?;
        }
    }
    Ok(())
}

/// One run of the suite against a new server, or several that share their sessions. Returns the number of passed tests.
fn once(suite: &Suite, folder: &Path, retries: u32, nodes: &str) -> Result<usize, String> {
    let server = target().join("release").join(suite.server);
    let mut server = Server(
        Command::new(&server)
            .env("NODES", nodes)
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", server.display()))?,
    );
    server.wait_for(suite.port)?;
    let retries = retries.to_string();
    let mut command = Command::new("npx");
    command
        .args(["mocha", "--reporter", "json", "--exit", "--retries", &retries])
        .args(suite.mocha)
        .current_dir(folder);
    let output = command.stderr(Stdio::null()).output().map_err(|error| format!("npx mocha: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let json = text.find('{').and_then(|at| serde_json::from_str::<serde_json::Value>(&text[at..]).ok());
    let json = json.ok_or("mocha printed no result")?;
    for failure in json["failures"].as_array().into_iter().flatten() {
        println!("  {} | {}", failure["fullTitle"], failure["err"]["message"]);
    }
    let passes = json["stats"]["passes"].as_u64().unwrap_or(0);
    usize::try_from(passes).map_err(|error| error.to_string())
}

/// The server of one run, killed on drop.
struct Server(Child);

impl Server {
    fn wait_for(&mut self, port: u16) -> Result<(), String> {
        for _ in 0..200 {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Err(format!("the server ended with {status}; is port {port} free?"));
            }
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        Err(format!("the server does not listen on port {port}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
