//! `cargo xtask bench --faults`: two servers on one Redis server whose connection fails, with the official server and
//! its adapters beside ours.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{KINDS, Pair, SERVERS};
use super::figures::shown;
use super::launch::Launch;
use super::redis::{self, Proxy, Redis};
use super::report::machine;
use super::servers;
use crate::paths::root;

/// Time before the fault, and after it.
const BEFORE: u64 = 2;
const AFTER: u64 = 8;
/// Time in which the last messages may arrive.
const REST: u64 = 6;

struct Fault {
    name: &'static str,
    /// Seconds between its beginning and its end.
    lasts: u64,
    begin: fn(&mut Redis, &Proxy) -> Result<(), String>,
    end: fn(&mut Redis, &Proxy) -> Result<(), String>,
}

const FAULTS: &[Fault] = &[
    Fault { name: "none", lasts: 0, begin: |_, _| Ok(()), end: |_, _| Ok(()) },
    Fault {
        name: "Redis killed, 2 s later started",
        lasts: 2,
        begin: |redis, _| {
            redis.kill();
            Ok(())
        },
        end: |redis, _| redis.restart(),
    },
    Fault {
        name: "Redis paused for 30 s",
        lasts: 30,
        begin: |redis, _| redis.signal("STOP"),
        end: |redis, _| redis.signal("CONT"),
    },
    Fault {
        name: "each connection killed",
        lasts: 0,
        begin: |redis, _| {
            redis.command("CLIENT KILL TYPE pubsub")?;
            redis.command("CLIENT KILL TYPE normal")
        },
        end: |_, _| Ok(()),
    },
    cut("no data for 1 s", 1),
    cut("no data for 10 s", 10),
    cut("no data for 60 s", 60),
    Fault {
        name: "no data for 10 s, with an output buffer of 64 KiB",
        lasts: 10,
        begin: |redis, proxy| {
            redis.command(
                r#"CONFIG SET client-output-buffer-limit "pubsub 65536 65536 1 normal 65536 65536 1""#,
            )?;
            proxy.cut(true);
            Ok(())
        },
        end: |_, proxy| {
            proxy.cut(false);
            Ok(())
        },
    },
];

const fn cut(name: &'static str, lasts: u64) -> Fault {
    Fault {
        name,
        lasts,
        begin: |_, proxy| {
            proxy.cut(true);
            Ok(())
        },
        end: |_, proxy| {
            proxy.cut(false);
            Ok(())
        },
    }
}

/// Measures all faults, and writes `benches/FAULTS.md`.
pub(super) fn run() -> Result<(), String> {
    let load = servers::load_generator()?;
    let launches = [servers::ours()?, servers::node()?];
    let mut text = format!(
        "# A Redis server that fails\n\n`cargo xtask bench --faults` writes this file: two servers on one Redis server, \
         one client at each, and 2,000 broadcasts a second by the client of the first one. The fault begins after \
         {BEFORE} seconds. Local is the client of the first server, remote that of the second; silence is the longest \
         time without a delivery, in seconds; the state at the end is read {AFTER} seconds after the fault, when the \
         last message was sent, and at most {REST} seconds later. Memory is the most that a server had, in MiB. One run \
         each.\n\n| | |\n| --- | --- |\n| ours | {} |\n| node | {} |\n| Redis | {} |\n| machine | {} |\n",
        launches[0].version,
        launches[1].version,
        redis::version()?,
        machine()
    );
    for fault in FAULTS {
        let _ = write!(
            text,
            "\n## {}\n\n| adapter | server | sent | local lost | silence | remote lost | doubled | out of order | silence \
             | last one heard | memory, first | second |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | \
             --- | ---: | ---: |\n",
            fault.name
        );
        for kind in KINDS {
            for (server, launch) in SERVERS.iter().zip(&launches) {
                let result = measure(launch, kind, &load, fault)?;
                println!("{:<52}{kind:<10}{server:<6}{result}", fault.name);
                let _ = writeln!(text, "| {kind} | {server} | {} |", row(&result));
            }
        }
    }
    fs::write(root().join("benches/FAULTS.md"), text).map_err(|error| format!("benches/FAULTS.md: {error}"))
}

fn measure(launch: &Launch, kind: &str, load: &str, fault: &Fault) -> Result<Value, String> {
    let mut redis = Redis::start()?;
    let proxy = Proxy::start(&redis)?;
    let pair = match Pair::start(launch, kind, proxy.socket())? {
        Ok(pair) => pair,
        Err(why) => return Ok(json!({ "error": why })),
    };
    let (length, rest) = ((BEFORE + fault.lasts + AFTER).to_string(), REST.to_string());
    let failed = |error: std::io::Error| format!("{load}: {error}");
    let mut generator = pair
        .generator(load, &["steady", "--secs", &length, "--rest", &rest])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut output = BufReader::new(generator.stdout.take().ok_or("no output")?);
    let mut line = String::new();
    output.read_line(&mut line).map_err(failed)?;
    if line.contains("begun") {
        thread::sleep(Duration::from_secs(BEFORE));
        (fault.begin)(&mut redis, &proxy)?;
        thread::sleep(Duration::from_secs(fault.lasts));
        (fault.end)(&mut redis, &proxy)?;
        line.clear();
        output.read_to_string(&mut line).map_err(failed)?;
    }
    let _ = generator.wait();
    serde_json::from_str(&line).map_err(|error| format!("{load}: {error}: {line}"))
}

fn row(result: &Value) -> String {
    if let Some(why) = result["error"].as_str() {
        return format!("failed: {why} | | | | | | | | |");
    }
    let (local, remote) = (&result["local"], &result["remote"]);
    let seconds = |of: &Value| shown(of["silence_ms"].as_f64().map(|ms| ms / 1e3));
    let mebibytes = |of: &Value| shown(of["resident"].as_f64().map(|bytes| bytes / f64::from(1 << 20)));
    let last = if remote["heard_last"] == true { "yes" } else { "no" };
    [
        result["sent"].to_string(),
        local["lost"].to_string(),
        seconds(local),
        remote["lost"].to_string(),
        remote["doubled"].to_string(),
        remote["reordered"].to_string(),
        seconds(remote),
        last.to_owned(),
        mebibytes(local),
        mebibytes(remote),
    ]
    .join(" | ")
}
