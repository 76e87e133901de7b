//! `sio emit` and `sio connect`.

use socketio_server::{Ack, RawArgs, Server, Socket};

use crate::{serve, sio, start, text};

#[tokio::test]
async fn an_event_is_sent_and_its_acknowledgement_printed() {
    let url = format!("http://{}", start().await);
    let output = sio(&["emit", &url, "echo", "--ack", "1", r#"{"a":[true]}"#, "some text"], "").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "[1,{\"a\":[true]},\"some text\"]\n");
    let v2 = Server::builder().engine(|engine| engine.allow_eio3(true)).build().unwrap();
    v2.of("/").on("protocol", |socket: Socket| async move { Ack(socket.session().protocol().number()) });
    let output =
        sio(&["emit", &format!("http://{}", serve(v2).await), "protocol", "--ack", "--v2"], "").await;
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("[3]\n", ""));
    let output = sio(&["emit", &format!("{url}/no"), "echo"], "").await;
    assert!(!output.status.success());
    assert_eq!(text(&output.stderr), "sio: credentials missing\n");
}

#[tokio::test]
async fn incoming_events_are_printed_and_input_lines_are_sent() {
    let url = format!("http://{}", start().await);
    for (json, expected) in [
        (
            true,
            "{\"recovered\":false,\"type\":\"connect\"}\n\
             {\"args\":[1,\"two\"],\"event\":\"sent back\",\"type\":\"event\"}\n\
             {\"reason\":\"io server disconnect\",\"type\":\"disconnect\"}\n",
        ),
        (false, "connect recovered=false\nevent reply 1 \"two\"\ndisconnect io server disconnect\n"),
    ] {
        let io = Server::builder().build().unwrap();
        io.of("/").on("go", move |socket: Socket, args: RawArgs| async move {
            socket.emit(if json { "sent back" } else { "reply" }, &args).unwrap();
            socket.disconnect(false);
        });
        let url = format!("http://{}", serve(io).await);
        let flags: &[&str] = if json { &["connect", &url, "--json"] } else { &["connect", &url] };
        let output = sio(flags, "go 1 \"two\"\n").await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), expected);
    }
    let output = sio(&["connect", &format!("{url}/no")], "").await;
    assert!(!output.status.success());
    assert_eq!(text(&output.stdout), "connect_error credentials missing\n");
}
