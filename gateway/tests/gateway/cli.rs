//! The program `socketio-gateway` as operators start it.

use std::net::SocketAddr;
use std::process::{Output, Stdio};

use serde_json::Value;
use tests::raw::{Polling, Request, WebSocket, soon};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_socketio-gateway"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

pub(crate) async fn run(arguments: &[&str]) -> Output {
    soon(program(arguments).output()).await.unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// A running program, with its log lines.
pub(crate) struct Served {
    pub(crate) addr: SocketAddr,
    pub(crate) process: Child,
    lines: tokio::sync::Mutex<mpsc::UnboundedReceiver<Value>>,
}

impl Served {
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.process.id().unwrap().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().await.unwrap();
        assert!(sent.success());
    }

    /// The rest of the next message that begins with this text.
    #[cfg(unix)]
    pub(crate) async fn begins(&self, text: &str) -> String {
        let mut lines = self.lines.lock().await;
        let found = async {
            loop {
                let line = lines.recv().await.expect("it still runs");
                let message = line["fields"]["message"].as_str().unwrap_or_default();
                if let Some(rest) = message.strip_prefix(text) {
                    return rest.to_owned();
                }
            }
        };
        soon(found).await
    }

    /// The next log line with this message.
    pub(crate) async fn said(&self, message: &str) -> Value {
        let mut lines = self.lines.lock().await;
        let found = async {
            loop {
                let line = lines.recv().await.expect("it still runs");
                if line["fields"]["message"] == message {
                    return line;
                }
            }
        };
        soon(found).await
    }
}

pub(crate) async fn serve(arguments: &[&str]) -> Served {
    serve_in(&[], arguments).await
}

/// Starts the program with further variables in its environment.
pub(crate) async fn serve_in(environment: &[(&str, &str)], arguments: &[&str]) -> Served {
    let arguments = [&["serve", "--port", "0", "--log-format", "json"], arguments].concat();
    let mut command = program(&arguments);
    command.envs(environment.iter().copied());
    served(command).await
}

/// Starts the program at a port.
pub(crate) async fn serve_at(port: u16, arguments: &[&str]) -> Served {
    let port = port.to_string();
    served(program(&[&["serve", "--port", &port, "--log-format", "json"], arguments].concat())).await
}

/// Starts the program with a limit of file descriptors.
pub(crate) async fn serve_with_descriptors(number: u32, arguments: &[&str]) -> Served {
    let mut command = Command::new("sh");
    let limited = format!("ulimit -n {number} && exec \"$@\"");
    command.args(["-c", &limited, "sh", env!("CARGO_BIN_EXE_socketio-gateway")]);
    command.args(["serve", "--port", "0", "--log-format", "json"]).args(arguments);
    command.stdin(Stdio::null()).kill_on_drop(true);
    served(command).await
}

async fn served(mut command: Command) -> Served {
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let (sender, receiver) = mpsc::unbounded_channel();
    // Depending on the log level, lines of the libraries come first.
    let addr = soon(async {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            let message = line["fields"]["message"].as_str().unwrap_or_default();
            let url = message.strip_prefix("listening on ");
            let addr = url.map(|url| url.split_once("://").unwrap().1.parse().unwrap());
            sender.send(line).unwrap();
            if let Some(addr) = addr {
                return addr;
            }
        }
    })
    .await;
    // Later lines must be read, so that the pipe does not fill up.
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let _ = sender.send(serde_json::from_str(&line).unwrap_or_default());
        }
    });
    Served { addr, process, lines: receiver.into() }
}

#[tokio::test]
async fn serves_until_a_signal() {
    let mut served = serve(&[]).await;
    let port = served.addr.port().to_string();
    assert!(run(&["healthcheck", "--port", &port]).await.status.success());
    let mut client = WebSocket::open(served.addr, "/").await.unwrap();
    assert!(client.text().await.starts_with(r#"{"data":{"id":"#));
    served.signal("TERM").await;
    client.closed().await;
    assert!(soon(served.process.wait()).await.unwrap().success());
    assert!(!run(&["healthcheck", "--port", &port]).await.status.success());
}

/// A client that does not poll holds the drain open until its deadline; a second signal ends the wait.
#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let mut served = serve(&["--set", "server.drain_ms=600000"]).await;
        let client = Polling::open(served.addr, "/socket.io/?EIO=4&transport=polling").await;
        served.signal(first).await;
        served.said("draining").await;
        served.signal(second).await;
        served.said("stopped by a second signal").await;
        assert_eq!(soon(served.process.wait()).await.unwrap().code(), Some(1));
        drop(client);
    }
}

/// The program continues while its standard error is a full pipe.
#[tokio::test]
async fn an_unread_log_blocks_nothing() {
    let (log, unread) = tokio::net::unix::pipe::pipe().unwrap();
    while log.try_write(&[b'x'; 512]).is_ok() {}
    let stderr = log.into_blocking_fd().unwrap();
    let arguments = ["serve", "--port", "0", "--log-level", "trace", "--log-format", "json"];
    let mut process = program(&arguments).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let mut out = BufReader::new(process.stdout.take().unwrap()).lines();
    let link = soon(async {
        loop {
            let line = out.next_line().await.unwrap().unwrap();
            if let Some(link) = line.strip_prefix("  http://") {
                return link.to_owned();
            }
        }
    })
    .await;
    let (addr, key) = link.split_once("/#key=").unwrap();
    let addr: SocketAddr = addr.parse().unwrap();
    // Each refused event causes a log line.
    let mut sender = WebSocket::open(addr, "/").await.unwrap();
    let mut dropped = 0;
    while dropped == 0 {
        let events = std::iter::repeat_n(r#"{"event":"join","data":5}"#.to_owned(), 200);
        soon(sender.send_together(events)).await;
        let mut refused = 0;
        while refused < 200 {
            refused += usize::from(soon(sender.text()).await.contains(r#""event":"error""#));
        }
        let metrics = Request::new("GET", "/metrics").header("x-api-key", key).send(addr).await;
        let sample =
            metrics.text().lines().find_map(|line| line.strip_prefix("gateway_log_lines_dropped_total "));
        dropped = sample.unwrap().parse::<u64>().unwrap();
    }
    assert_eq!(Request::new("GET", "/health/live").send(addr).await.status, 200);
    let mut client = WebSocket::open(addr, "/").await.unwrap();
    assert!(client.text().await.starts_with(r#"{"data":{"id":"#));
    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    client.closed().await;
    assert!(soon(process.wait()).await.unwrap().success());
    drop(unread);
}

/// The process ends although a thread is blocked: reading a file, like a name lookup, may never return.
#[tokio::test]
async fn a_thread_that_is_blocked_does_not_hold_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, "").unwrap();
    let mut served = serve(&["--config", file.to_str().unwrap()]).await;
    std::fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().await.unwrap().success());
    served.signal("HUP").await;
    // The pipe opens as soon as the program reads it, and never sends data.
    let silent = soon(tokio::fs::OpenOptions::new().write(true).open(&file)).await.unwrap();
    served.signal("TERM").await;
    served.said("done").await;
    assert!(soon(served.process.wait()).await.unwrap().success());
    drop(silent);
}

/// The key that is generated when the settings have none: printed once, and in no log line.
#[tokio::test]
async fn the_generated_key_is_printed_once() {
    let mut served = serve(&["--log-level", "trace"]).await;
    let mut out = BufReader::new(served.process.stdout.take().unwrap());
    let mut printed = String::new();
    let link = format!("  http://{}/#key=", served.addr);
    let key = soon(async {
        loop {
            let from = printed.len();
            assert_ne!(out.read_line(&mut printed).await.unwrap(), 0, "{printed}");
            if let Some(key) = printed[from..].strip_prefix(&link) {
                return key.trim().to_owned();
            }
        }
    })
    .await;
    let status = async |key: &str| {
        let request = Request::new("GET", "/api/rooms").header("x-api-key", key);
        request.send(served.addr).await.status
    };
    assert_eq!((status(&key).await, status(&key[1..]).await), (200, 401));
    assert_eq!(Request::new("GET", "/metrics").send(served.addr).await.status, 401);
    served.signal("HUP").await;
    served.said("reloaded").await;
    assert_eq!(status(&key).await, 200, "it stays");
    served.signal("TERM").await;
    soon(out.read_to_string(&mut printed)).await.unwrap();
    assert_eq!(printed.matches(&key).count(), 1, "{printed}");
    let mut lines = served.lines.into_inner();
    while let Some(line) = soon(lines.recv()).await {
        assert!(!line.to_string().contains(&key), "{line}");
    }
}

/// Without the page no link is printed; with configured keys nothing is printed.
#[tokio::test]
async fn printed_addresses_match_the_settings() {
    for (settings, expected) in [("api.page=false", "\n  x-api-key: "), ("api.keys=key of an operator", "")] {
        let mut served = serve(&["--set", settings]).await;
        let mut out = served.process.stdout.take().unwrap();
        served.signal("TERM").await;
        let mut printed = String::new();
        soon(out.read_to_string(&mut printed)).await.unwrap();
        assert_eq!(printed.is_empty(), expected.is_empty(), "{printed}");
        assert!(printed.contains(expected) && !printed.contains('#'), "{printed}");
    }
}

#[tokio::test]
async fn the_sample_file_can_be_used() {
    let sample = run(&["gen-config"]).await;
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), &sample.stdout).unwrap();
    let path = file.path().to_str().unwrap();
    let checked = run(&["check-config", "--config", path, "--set", "events.max_rooms=7"]).await;
    let (shown, errors) = said(&checked);
    assert!(checked.status.success(), "{errors}");
    let shown: toml::Table = toml::from_str(&shown).unwrap();
    assert_eq!(shown["events"]["max_rooms"].as_integer(), Some(7));
    assert_eq!(shown["server"]["port"].as_integer(), Some(8000));
}

/// Keys are redacted, because the output of `check-config` ends up in logs and tickets.
#[tokio::test]
async fn keys_are_not_printed() {
    let secrets = [
        "api.keys=key of an operator",
        "auth.jwt_key=key of tokens, long",
        "auth.session_secret=key of sessions, long",
    ];
    let arguments: Vec<&str> = secrets.iter().flat_map(|secret| ["--set", secret]).collect();
    let checked = run(&[&["check-config"][..], &arguments].concat()).await;
    let (shown, errors) = said(&checked);
    assert!(checked.status.success(), "{errors}");
    assert!(!shown.contains("key of"), "{shown}");
    for line in ["keys = [\"(secret)\"", "jwt_key = \"(secret)\"", "session_secret = \"(secret)\""] {
        assert!(shown.contains(line), "{shown}");
    }
}

/// Warnings about settings that are valid and risky.
#[tokio::test]
async fn risky_settings_are_reported() {
    let checked = run(&["check-config", "--set", "auth.jwks=http://keys.example.com/"]).await;
    let (shown, errors) = said(&checked);
    assert!(checked.status.success() && shown.contains("keys.example.com"), "{shown}");
    assert!(errors.contains("warning: auth.jwks: plain HTTP"), "{errors}");
    let (_, errors) = said(&run(&["check-config", "--set", "webhooks.url=http://127.0.0.1:9000/"]).await);
    assert!(errors.contains("warning: webhooks.secrets: empty: webhooks are not signed"), "{errors}");
    assert!(errors.ends_with("the configuration is ok\n"), "{errors}");
}

#[tokio::test]
async fn invalid_settings_are_reported() {
    for (arguments, expected) in [
        (
            &["check-config", "--set", "sever.port=1"][..],
            "unknown setting sever.port; did you mean server.port?",
        ),
        (
            &["serve", "--port", "x"],
            "the command line: server.port: a whole number from 0 to 65535 is expected",
        ),
        (&["serve", "--log-level", "verbose"], "the command line: log.level: \"verbose\" is unknown"),
        (&["check-config", "--log-level", "verbose"], "the command line: log.level: \"verbose\" is unknown"),
        (&["check-config", "--set", "server.namespaces=/a/{b"], "server.namespaces: /a/{b: "),
        (&["check-config", "--config", "/nonexistent.toml"], "/nonexistent.toml: "),
        (&["check-config", "--set", "x"], "section.key=value is expected"),
    ] {
        let output = run(arguments).await;
        assert!(!output.status.success());
        let (_, errors) = said(&output);
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
    }
}

/// The sample file has the values of the command line and of the file, and no others.
#[tokio::test]
async fn the_sample_file_takes_settings() {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(file.path(), "[limits]\nevents_per_second = 7\n").unwrap();
    let path = file.path().to_str().unwrap();
    let mut command = program(&["gen-config", "--port", "9123", "--config", path]);
    let output = soon(command.env("GATEWAY_LOG_LEVEL", "debug").output()).await.unwrap();
    let (sample, errors) = said(&output);
    let sample: toml::Table = toml::from_str(&sample).unwrap_or_else(|error| panic!("{error}: {errors}"));
    assert_eq!(sample["server"]["port"].as_integer(), Some(9123));
    assert_eq!(sample["limits"]["events_per_second"].as_integer(), Some(7));
    assert_eq!(sample["log"]["level"].as_str(), Some("info"));
    let refused = run(&["gen-config", "--port", "x"]).await;
    assert!(!refused.status.success() && said(&refused).1.contains("server.port"));
}

/// The error names the address that does not answer, which settings may have determined.
#[tokio::test]
async fn the_health_check_names_the_address() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let output = run(&["healthcheck", "--port", &address.port().to_string()]).await;
    let expected = format!("socketio-gateway: http://{address}/health/ready: Connection refused");
    assert!(said(&output).1.starts_with(&expected), "{}", said(&output).1);
}

#[tokio::test]
async fn columns_of_lists_are_apart() {
    for (what, cells) in [
        ("routes", &["GET", "/info", "Name, version"][..]),
        ("routes", &["POST", "/api/auth/acquire-session"]),
        ("events", &["authenticate", "replaces the token"]),
    ] {
        let (listed, _) = said(&run(&["list", what]).await);
        let columns = |line: &str| {
            line.split("  ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let is_row =
            |line: &str| columns(line).iter().zip(cells).all(|(found, cell)| found.starts_with(cell));
        assert!(listed.lines().any(is_row), "{cells:?}: {listed}");
    }
}

#[tokio::test]
async fn lists_namespaces_events_and_routes() {
    for (what, expected) in [("routes", "/health/ready"), ("events", "message"), ("namespaces", "/\n")] {
        let (listed, _) = said(&run(&["list", what]).await);
        assert!(listed.contains(expected), "{listed}");
    }
    assert_eq!(said(&run(&["version"]).await).0.trim(), socketio_gateway::VERSION);
}
