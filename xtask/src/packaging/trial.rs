//! The trial of each package: it is installed into a folder of its own, and the gateway is started from there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::PROGRAM;
use crate::paths::root;
use crate::run::Run;

/// Time limit of each step.
const LIMIT: Duration = Duration::from_secs(60);

fn is_root() -> bool {
    Run::new("id", &["-u"], &root()).output().is_ok_and(|user| user.trim() == "0")
}

/// Installs the package with dpkg into another root, or unpacks it where that is not permitted.
pub(super) fn deb(package: &Path, folder: &Path) -> Result<(), String> {
    let (file, place) = (package.to_string_lossy(), folder.to_string_lossy());
    if is_root() {
        for part in ["info", "updates"] {
            std::fs::create_dir_all(folder.join("var/lib/dpkg").join(part))
                .map_err(|error| error.to_string())?;
        }
        std::fs::write(folder.join("var/lib/dpkg/status"), "").map_err(|error| error.to_string())?;
        // The other root has no shell and no packages.
        let forced = ["--force-script-chrootless", "--force-depends", "--log=/dev/null"];
        let other_root = format!("--root={place}");
        let install = [&[other_root.as_str()], &forced[..], &["--install", &file]].concat();
        Run::new("dpkg", &install, &root()).status()?;
    } else {
        Run::new("dpkg-deb", &["--extract", &file, &place], &root()).status()?;
    }
    let unit = folder.join("usr/lib/systemd/system/socketio-gateway.service");
    let unit = std::fs::read_to_string(&unit).map_err(|error| format!("{}: {error}", unit.display()))?;
    let start =
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).ok_or("the unit starts nothing")?;
    let mut words = start.split_whitespace().map(|word| match word.strip_prefix('/') {
        Some(path) => folder.join(path).to_string_lossy().into_owned(),
        None => word.to_owned(),
    });
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).arg("serve");
    serves(command)
}

/// Installs the package with npm, and runs it by npx too.
pub(super) fn npm(package: &Path, folder: &Path) -> Result<(), String> {
    let file = package.to_string_lossy();
    let quiet = ["--offline", "--no-audit", "--no-fund", "--loglevel=error"];
    let install = [&["install", "--prefix", "."], &quiet[..], &[&*file]].concat();
    Run::new("npm", &install, folder).limit(LIMIT).status()?;
    let version = Run::new("npx", &["--offline", "--no-install", PROGRAM, "version"], folder).output()?;
    if version.trim().is_empty() {
        return Err("npx printed no version".to_owned());
    }
    let mut command = Command::new(folder.join("node_modules/.bin").join(PROGRAM));
    command.arg("serve");
    serves(command)
}

/// Installs the package with pip into a virtual environment.
pub(super) fn wheel(package: &Path, folder: &Path) -> Result<(), String> {
    Run::new("python3", &["-m", "venv", &folder.to_string_lossy()], &root()).limit(LIMIT).status()?;
    let python = folder.join("bin/python");
    let install = ["-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check"];
    let file = package.to_string_lossy();
    Run::new(&python.to_string_lossy(), &[&install[..], &[&*file]].concat(), &root())
        .limit(LIMIT)
        .status()?;
    let mut command = Command::new(folder.join("bin").join(PROGRAM));
    command.arg("serve");
    serves(command)
}

/// Unpacks the root file system and runs the program with it as its root, where that is permitted.
pub(super) fn rootfs(package: &Path, folder: &Path) -> Result<(), String> {
    let unpack =
        ["--extract", "--file", &package.to_string_lossy(), "--directory", &folder.to_string_lossy()];
    Run::new("tar", &unpack, &root()).status()?;
    let mut command = if is_root() {
        let mut command = Command::new("chroot");
        command.arg("--userspec=65532:65532").arg(folder).arg(format!("/{PROGRAM}"));
        command
    } else {
        Command::new(folder.join(PROGRAM))
    };
    command.arg("serve");
    serves(command)
}

/// Starts a gateway on a free port, asks for its state, and ends it by a signal.
fn serves(mut command: Command) -> Result<(), String> {
    command.args(["--port", "0", "--log-format", "human"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut server = Server(child.map_err(|error| format!("{command:?}: {error}"))?);
    let address = server.address()?;
    let status = status(&address).map_err(|error| format!("http://{address}: {error}"))?;
    if !status.starts_with("HTTP/1.1 200") {
        return Err(format!("http://{address}: {status}"));
    }
    server.end()
}

fn status(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response.lines().next().unwrap_or_default().to_owned())
}

/// A running program, killed on drop.
struct Server(Child);

impl Server {
    /// Waits for the address in the log.
    fn address(&mut self) -> Result<String, String> {
        let stderr = self.0.stderr.take().ok_or("no standard error")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // The receiver is gone when the address is known; the pipe is still emptied.
                let _ = sender.send(line);
            }
        });
        let (deadline, mut log) = (Instant::now() + LIMIT, String::new());
        while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if let Some((_, address)) = line.split_once("listening on http://") {
                let end = address.find(|it: char| !(it.is_ascii_digit() || ".:".contains(it)));
                return Ok(address[..end.unwrap_or(address.len())].to_owned());
            }
            log.push_str(&line);
            log.push('\n');
        }
        Err(format!("it does not listen\n{log}"))
    }

    /// Ends the program with SIGTERM, after which it must exit successfully.
    fn end(mut self) -> Result<(), String> {
        Run::new("kill", &["-TERM", &self.0.id().to_string()], &root()).output()?;
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            match self.0.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("SIGTERM ended it with {status}")),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        Err("it still runs after SIGTERM".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
