//! Acknowledgements of broadcasts.

use std::time::Duration;

use socketio_server::Config;
use tests::raw::soon;

use crate::support::{builder, start, three_clients};

/// SIO-SRV-153, SIO-SRV-155, SIO-SRV-157
#[tokio::test]
async fn a_broadcast_collects_acks() {
    let (running, mut clients) = three_clients().await;
    let io = running.io.clone();
    let asking =
        tokio::spawn(async move { io.timeout(Duration::from_secs(20)).emit_with_ack::<i32>("q", &()).await });
    for (number, (ws, _)) in clients.iter_mut().enumerate() {
        // One id for all: the question is encoded once.
        assert_eq!(ws.text().await, r#"420["q",null]"#);
        ws.send(&format!("430[{number}]")).await;
    }
    let mut answers = asking.await.unwrap().unwrap();
    answers.sort_unstable();
    assert_eq!(answers, [0, 1, 2]);
    let empty = running.io.to("empty room").emit_with_ack::<i32>("q", &()).await.unwrap();
    assert!(empty.is_empty());
}

/// SIO-SRV-154, SIO-SRV-156
#[tokio::test]
async fn a_broadcast_reports_the_number_of_missing_acks() {
    // A pending ack that stayed behind would exclude its socket from the second broadcast.
    let mut config = Config::default();
    config.max_pending_acks = 1;
    let running = start(builder().config(config), |_| {}).await;
    let mut clients = [running.connect().await, running.connect().await, running.connect().await];
    let io = running.io.clone();
    let asking =
        tokio::spawn(async move { io.timeout(Duration::from_secs(5)).emit_with_ack::<i32>("q", &()).await });
    for (ws, _) in &mut clients[..2] {
        assert_eq!(ws.text().await, r#"420["q",null]"#);
        ws.send("430[1]").await;
    }
    // The clock advances to the timeout as soon as all tasks wait, after the acks were read.
    tokio::time::pause();
    let partial = asking.await.unwrap().unwrap_err().partial().unwrap();
    tokio::time::resume();
    assert_eq!((partial.answers, partial.missing), (vec![1, 1], 1));
    // A broadcast does not wait for the ack of a disconnected client.
    let io = running.io.clone();
    let asking =
        tokio::spawn(async move { io.timeout(Duration::from_secs(60)).emit_with_ack::<i32>("q", &()).await });
    assert_eq!(clients[2].0.text().await, r#"420["q",null]"#);
    for (ws, _) in &mut clients {
        assert_eq!(ws.text().await, r#"421["q",null]"#);
    }
    for (ws, _) in clients {
        ws.cut();
    }
    let partial = soon(asking).await.unwrap().unwrap_err().partial().unwrap();
    assert_eq!((partial.answers, partial.missing), (vec![], 3));
}

/// All acks of a broadcast are held until the last one, so their total size is limited. A dropped ack counts
/// as missing.
#[tokio::test]
async fn gathered_acks_are_bounded_in_bytes() {
    let mut config = Config::default();
    config.max_gathered_bytes = 1000;
    let (sender, mut answered) = tokio::sync::mpsc::unbounded_channel();
    let running = start(builder().config(config), |io| {
        io.on("answered", move || {
            sender.send(()).unwrap();
            async {}
        });
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(running.connect().await.0);
    }
    let io = running.io.clone();
    let asking =
        tokio::spawn(async move { io.timeout(Duration::MAX).emit_with_ack::<String>("q", &()).await });
    for (ws, length) in clients.iter_mut().zip([400, 500, 200]) {
        assert_eq!(ws.text().await, r#"420["q",null]"#);
        ws.send(&format!(r#"430["{}"]"#, "x".repeat(length))).await;
        // The acks arrive in this order.
        ws.send(r#"42["answered"]"#).await;
        soon(answered.recv()).await.unwrap();
    }
    let partial = soon(asking).await.unwrap().unwrap_err().partial().unwrap();
    let lengths: Vec<usize> = partial.answers.iter().map(String::len).collect();
    assert_eq!((lengths, partial.missing), (vec![400, 200], 1));
}

/// A socket that has reached its limit of pending acks counts as missing in the result.
#[tokio::test]
async fn a_socket_with_too_many_pending_acks_counts_as_missing() {
    let mut config = Config::default();
    config.max_pending_acks = 1;
    let running = start(builder().config(config), |_| {}).await;
    let (mut ws, id) = running.connect().await;
    let socket = running.io.socket(&id).unwrap();
    let first = tokio::spawn(async move { socket.emit_with_ack::<i32>("first", &()).await });
    assert_eq!(ws.text().await, r#"420["first",null]"#);
    let asked = running.io.timeout(Duration::MAX).emit_with_ack::<i32>("second", &()).await;
    let partial = asked.unwrap_err().partial().unwrap();
    assert_eq!((partial.answers, partial.missing), (vec![], 1));
    ws.send("430[1]").await;
    assert_eq!(soon(first).await.unwrap().unwrap(), 1);
}
