//! Many clients that come and go behind HAProxy without sticky sessions, while gateways are killed and started again.
//!
//! `CHURN_CLIENTS=1000 CHURN_KILLS=10 CHURN_SECONDS=60` is a run of ten minutes with a thousand clients.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tests::program::Program;
use tokio::io::AsyncWriteExt;

use crate::cluster_balanced::{Gateways, HAPROXY_SITE};
use crate::proxies::Proxy;

/// The observations of all clients. A number is missing, doubled or out of order within a session, or a recovered one.
#[derive(Debug, Deserialize)]
struct Report {
    received: u64,
    missing: u64,
    doubled: u64,
    reordered: u64,
    recovered: u64,
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[tokio::test]
async fn no_number_is_lost_doubled_or_reordered_within_a_session() {
    let (clients, kills) = (setting("CHURN_CLIENTS", 30), setting("CHURN_KILLS", 2));
    let interval = Duration::from_secs(setting("CHURN_SECONDS", 2));
    let mut gateways = Gateways::start().await;
    let proxy =
        Proxy::in_front(&gateways.site(HAPROXY_SITE), "haproxy", &["-db", "-f", "site.conf"], "").await;
    let mut node = tests::node::command();
    node.args(["churn.mjs", &format!("http://{}", proxy.addr), &clients.to_string()]);
    let mut program = Program::start(node.stdin(Stdio::piped()), tests::node::NEEDED);
    // A thousand clients take longer than a line may.
    let ready = tokio::time::timeout(Duration::from_secs(120), program.lines.next_line()).await;
    assert_eq!(ready.unwrap().unwrap().as_deref(), Some("ready"));
    let mut input = program.process.stdin.take().unwrap();

    let mut number = 0;
    // A number every 20 ms, and fewer for many clients, from each gateway that lives in turn.
    let pause = Duration::from_millis(20.max(clients / 5));
    let mut emit_for = async |gateways: &Gateways, time: Duration| {
        let end = Instant::now() + time;
        let mut ticks = tokio::time::interval(pause);
        while Instant::now() < end {
            ticks.tick().await;
            number += 1;
            let alive: Vec<usize> = (0..3).filter(|node| gateways.processes[*node].is_some()).collect();
            gateways.emit(alive[number % alive.len()], "churn", number).await;
        }
        number
    };
    for kill in 0..kills {
        emit_for(&gateways, interval / 2).await;
        let killed = usize::try_from(kill % 3).unwrap();
        gateways.processes[killed].take().unwrap().process.kill().await.unwrap();
        emit_for(&gateways, interval / 2).await;
        gateways.processes[killed] = Some(gateways.serve(killed).await);
        gateways.are_connected().await;
    }
    input.write_all(b"stop\n").await.unwrap();
    assert_eq!(program.line().await, "stopped");
    let last = emit_for(&gateways, Duration::from_secs(1)).await;
    input.write_all(format!("end {last}\n").as_bytes()).await.unwrap();
    let line = program.line().await;
    println!("{line}");
    let report: Report = serde_json::from_str(&line).unwrap();
    assert_eq!((report.missing, report.doubled, report.reordered), (0, 0, 0), "{line}");
    assert!(report.received > u64::try_from(last).unwrap(), "{line}");
    assert!(report.recovered > 0 || kills == 0, "{line}");
}
