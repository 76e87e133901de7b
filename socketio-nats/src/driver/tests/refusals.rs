//! Refusals of NATS servers.

use super::*;

/// One of each command for JetStream.
fn all() -> Vec<Command> {
    let bucket = sessions();
    let range = Request::Range { stream: STREAM.to_owned(), from: "0-0".to_owned(), count: 10 };
    let mut all = vec![append(10, "1")];
    let requests =
        [get(&bucket, "a"), put(&bucket, "a", "x", 0), delete(&bucket, "a", 1), list(&bucket, 0, 10), range];
    all.extend(requests.map(Command::Request));
    all
}

fn message(channel: &str) -> Command {
    Command::Publish { channel: channel.to_owned(), payload: Bytes::from("x"), sharded: false }
}

/// Without JetStream its commands are refused, and others are carried out.
#[tokio::test]
async fn a_server_without_jetstream_says_so() {
    let server = Server::start_with("").await;
    let mut commands = server.commands().await;
    let mut batch = all();
    batch.insert(3, message("a"));
    let mut replies = send(&mut commands, &batch).await;
    assert_eq!(replies.remove(3), Reply::Nothing);
    for reply in &replies {
        assert!(
            refused(reply).contains("no NATS server answers for JetStream: it is not enabled"),
            "{reply:?}"
        );
    }
    let mut reader = server.entries(Duration::from_secs(1)).await;
    let error = soon(reader.bounds(STREAM)).await.unwrap_err();
    assert!(error.to_string().contains("it is not enabled"), "{error}");
    assert!(soon(reader.read(STREAM, "0-0", 10)).await.is_err());
    assert_eq!(send(&mut commands, &[message("a")]).await, [Reply::Nothing], "the connection stays");
}

/// A user without permissions for JetStream, or for its answers.
#[tokio::test]
async fn a_missing_permission_is_named() {
    let server = Server::start_with(
        r#"jetstream {}
        authorization { users: [
            { user: plain, password: secret, permissions: { publish: "socket.io.>", subscribe: ">" } }
            { user: deaf, password: secret, permissions: { publish: ">", subscribe: "socket.io.>" } }
            { user: writer, password: secret, permissions: {
                publish: ["$JS.API.STREAM.INFO.>", "$JS.API.STREAM.CREATE.>"], subscribe: ">" } }
        ] }"#,
    )
    .await;
    for (user, reasons) in [
        ("plain", vec!["the user may not publish on $JS.API.STREAM.INFO."]),
        ("deaf", vec!["the user may not subscribe to _INBOX.>"]),
        (
            "writer",
            vec![
                "the user may not publish on socket=2Eio.entries",
                "the user may not publish on $JS.API.STREAM.MSG.GET.KV_sessions",
                "the user may not publish on $KV.sessions.a",
                "the user may not publish on $JS.API.STREAM.MSG.GET.KV_sessions",
                "the user may not publish on $JS.API.CONSUMER.CREATE.KV_sessions",
            ],
        ),
    ] {
        let mut commands = soon(NatsDriver::new(&server.user(user)).commands()).await.unwrap();
        let mut batch = all();
        batch.push(message("socket.io./"));
        let mut replies = send(&mut commands, &batch).await;
        let last = replies.pop().unwrap();
        assert_eq!(last == Reply::Nothing, user != "writer", "{last:?}");
        let range = replies.pop().unwrap();
        for (reply, reason) in replies.iter().zip(reasons.iter().cycle()) {
            assert!(refused(reply).starts_with(reason), "{user}: {reply:?}");
        }
        if user == "writer" {
            assert_eq!(range, Reply::Entries(Vec::new()), "there is nothing to get");
        } else {
            assert!(refused(&range).starts_with(reasons[0]), "{range:?}");
        }
        let mut reader =
            soon(NatsDriver::new(&server.user(user)).entries(STREAM, Duration::from_secs(1))).await.unwrap();
        assert!(
            soon(reader.read(STREAM, "0-0", 10))
                .await
                .unwrap_err()
                .to_string()
                .starts_with("the user may not")
        );
        assert_eq!(
            send(&mut commands, &[message("socket.io./")]).await[0] == Reply::Nothing,
            user != "writer"
        );
    }
}

/// Commands that are too large for the server, or have a wrong name, are refused; others of the batch are not affected.
#[tokio::test]
async fn what_is_too_large_is_refused() {
    let server = Server::start_with("jetstream {}\nmax_payload: 10000").await;
    let (mut commands, bucket) = (server.commands().await, sessions());
    let batch = [
        append(10, "1"),
        append(10, "1".repeat(10_000)),
        append(10, "2"),
        Command::Request(put(&bucket, "a", "x".repeat(9_990), 0)),
        Command::Request(put(&bucket, "b", "x".repeat(9_000), 0)),
        Command::Request(put(&bucket, &"k".repeat(1025), "x", 0)),
        Command::Request(get(&bucket, &"k".repeat(1025))),
        Command::Request(get(&self::bucket("a.b", Duration::from_secs(1), 1), "a")),
        Command::Store {
            channel: "a".to_owned(),
            payload: Bytes::new(),
            before: String::new(),
            after: String::new(),
        },
    ];
    let replies = send(&mut commands, &batch).await;
    let texts = [&replies[0], &replies[2]].map(|reply| match reply {
        Reply::Text(id) => id.rsplit('-').next().unwrap().to_owned(),
        reply => panic!("{reply:?}"),
    });
    assert_eq!(texts, ["1", "2"]);
    assert_eq!(replies[4], Reply::Number(1));
    for (place, reason) in [
        (1, "max_payload of the server is 10000"),
        (3, "max_payload of the server is 10000"),
        (5, "a key has more than 1024 bytes"),
        (6, "a key has more than 1024 bytes"),
        (7, "the name of a bucket"),
        (8, "NATS has no such command"),
    ] {
        assert!(refused(&replies[place]).contains(reason), "{:?}", replies[place]);
    }
}

/// Answers that are larger than `max_received_bytes` together are not taken into memory.
#[tokio::test]
async fn answers_beyond_max_received_bytes_are_refused() {
    let server = Server::start().await;
    let settings = server.settings().max_received_bytes(10_000);
    let (mut commands, bucket) = (soon(NatsDriver::new(&settings).commands()).await.unwrap(), sessions());
    let entries: Vec<Command> = (0..20).map(|_| append(100, "1".repeat(600))).collect();
    send(&mut commands, &entries).await;
    for number in 0..20 {
        ask(&mut commands, put(&bucket, &number.to_string(), "x".repeat(600), 0)).await;
    }
    ask(&mut commands, put(&bucket, "large", "x".repeat(20_000), 0)).await;
    let range = |count| Request::Range { stream: STREAM.to_owned(), from: "0-0".to_owned(), count };
    for request in [range(20), get(&bucket, "large")] {
        assert_eq!(refused(&ask(&mut commands, request).await), "the answer of NATS is too large");
    }
    let reply = ask(&mut commands, list(&bucket, 0, 20)).await;
    assert_eq!(refused(&reply), "the values of a list are too large together");
    for request in [range(5), list(&bucket, 0, 5)] {
        let Reply::Entries(entries) = ask(&mut commands, request).await else { panic!() };
        assert_eq!(entries.len(), 5);
    }
}
