//! Invalid packets, and attachments that arrive late.

use socketio_server::Socket;
use tests::raw::soon;
use tokio::sync::mpsc;

use crate::support::{answering, builder, join, nothing_else, start};

/// SIO-SRV-123, SIO-SRV-124; SIO-SRV-082: a message without a packet.
#[tokio::test]
async fn an_invalid_packet_reaches_the_hook_before_the_disconnect() {
    for (packet, text) in
        [("5woooot", "Illegal attachments"), ("5", "Illegal attachments"), ("", "empty packet")]
    {
        let (sender, mut errors) = mpsc::unbounded_channel();
        let running = start(builder(), |io| {
            let left = sender.clone();
            io.on_error(move |_, error| sender.send(error.to_string()).unwrap());
            io.on_disconnect(move |reason: socketio_server::DisconnectReason| {
                left.send(reason.to_string()).unwrap();
                async {}
            });
        })
        .await;
        let (mut ws, _) = running.connect().await;
        ws.send(&format!("4{packet}")).await;
        ws.closed().await;
        assert_eq!(soon(errors.recv()).await.unwrap(), text);
        assert_eq!(soon(errors.recv()).await.unwrap(), "forced close");
    }
}

/// Packets behind an invalid packet in the same read are ignored.
#[tokio::test]
async fn packets_after_an_invalid_packet_are_ignored() {
    for packet in ["45woooot", "440", "42/nowhere,[\"x\"]"] {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let running = start(builder(), |io| {
            let told = sender.clone();
            io.on("late", move || {
                told.send("late").unwrap();
                async {}
            });
            io.on_disconnect(move || {
                sender.send("left").unwrap();
                async {}
            });
        })
        .await;
        let client = running.polling().await;
        assert_eq!(client.post("40").await.status, 200);
        client.post(format!("{packet}\u{1e}42[\"late\"]")).await;
        // The session needs two GETs: one reads the earlier messages, the other the close packet.
        assert!(client.poll().await.starts_with("40{"));
        assert!(client.poll().await.ends_with('1'), "{packet}");
        assert_eq!(soon(seen.recv()).await.unwrap(), "left", "{packet}");
        assert!(seen.try_recv().is_err(), "{packet}");
    }
}

/// SIO-SRV-121, SIO-SRV-122: other clients are not affected.
#[tokio::test]
async fn a_protocol_violation_disconnects_only_its_client() {
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let running = start(builder(), |io| {
        answering(io);
        io.on_disconnect(move |reason: socketio_server::DisconnectReason| {
            sender.send(reason.to_string()).unwrap();
            async {}
        });
    })
    .await;
    let (mut other, _) = running.connect().await;
    for (packet, reason) in [
        ("5woooot", "forced close"),
        ("4x", "forced close"),
        ("4", "forced server close"),
        // The second digit is an ack id.
        ("44", "forced server close"),
        (r#"4{"message":"x"}"#, "forced server close"),
        ("0", "forced server close"),
        (r#"2/nowhere,["x"]"#, "forced server close"),
    ] {
        let (mut ws, _) = running.connect().await;
        ws.send(&format!("4{packet}")).await;
        ws.closed().await;
        assert_eq!(soon(reasons.recv()).await.unwrap(), reason, "{packet}");
        nothing_else(&mut other).await;
    }
}

/// SIO-SRV-127
#[tokio::test]
async fn attachments_after_a_disconnect_are_dropped() {
    let running = start(builder(), |io| {
        answering(io);
        io.on("upload", |socket: Socket| async move { socket.emit("called", &()) });
        io.on("leave", |socket: Socket| async move { socket.disconnect(false) });
    })
    .await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"42["leave"]"#).await;
    assert_eq!(ws.text().await, "41");
    ws.send(r#"451-["upload",{"_placeholder":true,"num":0}]"#).await;
    ws.send_binary(b"x").await;
    join(&mut ws, "/").await;
    nothing_else(&mut ws).await;
}

/// Attachments that do not arrive in time close the connection.
#[tokio::test]
async fn late_attachments_close_the_connection() {
    let mut config = socketio_server::Config::default();
    config.attachment_timeout = std::time::Duration::from_millis(20);
    let running = start(builder().config(config), |_| {}).await;
    let (mut ws, _) = running.connect().await;
    ws.send(r#"452-1["upload",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#).await;
    ws.send_binary(b"the first of two").await;
    ws.closed().await;
}
