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

/// A text without quotes was sent as a string, and a typing error in JSON too.
#[tokio::test]
async fn a_line_with_invalid_json_is_reported_and_not_sent() {
    let url = format!("http://{}", start().await);
    let output = sio(&["connect", &url, "--json"], "send back hello\nsend {\"a\":}\nleave\n").await;
    assert!(!output.status.success());
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(!out.contains("sent back"), "{out}");
    assert!(errors.contains("sio: line 1: JSON is expected after the name of the event"), "{errors}");
    assert!(errors.contains("for a text: send \"back hello\""), "{errors}");
    assert!(errors.contains("sio: line 2: JSON is expected"), "{errors}");
}

#[tokio::test]
async fn query_parameters_reach_the_server() {
    let io = Server::builder().build().unwrap();
    io.of("/").on("query", |socket: Socket| async move {
        Ack(socket.handshake().query().get("tenant").map(|tenant| tenant.to_string()))
    });
    let url = format!("http://{}", serve(io).await);
    let output = sio(&["emit", &url, "query", "--ack", "--query", "tenant=a b&c"], "").await;
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("[\"a b&c\"]\n", ""));
    let output = sio(&["emit", &url, "query", "--query", "tenant"], "").await;
    assert!(text(&output.stderr).contains("expected a parameter as `name=value`"));
}

/// The message names the cause, not only the timeout.
#[tokio::test]
async fn an_unreachable_server_is_named_as_the_cause() {
    let addr = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let output = sio(&["emit", &format!("http://{addr}"), "echo", "--timeout", "1"], "").await;
    assert!(text(&output.stderr).starts_with("sio: not connected within 1s: "), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("Connection refused"), "{}", text(&output.stderr));
}
