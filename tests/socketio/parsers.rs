//! Clients with different parsers on one port.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use socketio_parser::{ConnectionDecoder, Decoder, Encoded, Limits, Packet, Payload, RawArgs, RawValue};
use socketio_server::{
    Ack, Args, Binary, ConnectionParser, Data, Parser, Recovery, Server, ServerBuilder, Socket,
};
use tests::raw::WebSocket;
use tests::tilde::Tilde;
use tokio_tungstenite::tungstenite::Message as WsMessage;

use crate::support::{Running, builder, start};

const PARSERS: [&str; 3] = ["json", "msgpack", "tilde"];

fn parser(name: Option<&str>, tilde: &Arc<Tilde>) -> ConnectionParser {
    match name {
        Some("msgpack") => Parser::Msgpack.into(),
        Some("tilde") => ConnectionParser::Custom(Arc::clone(tilde) as _),
        _ => Parser::Json.into(),
    }
}

/// A server whose clients name their parser in the query.
fn by_query(base: Parser) -> ServerBuilder {
    let tilde = Arc::new(Tilde);
    builder().parser(base).connection_parser(move |request| parser(request.query().get("parser"), &tilde))
}

/// A client that is given, and gives, packets as JSON, whatever it sends and receives.
struct Client {
    ws: WebSocket,
    own: ConnectionParser,
    decoder: ConnectionDecoder,
}

impl Client {
    async fn open(running: &Running, name: &str) -> Self {
        let target = format!("/socket.io/?EIO=4&transport=websocket&parser={name}");
        let mut ws = WebSocket::open(running.addr, &target).await.unwrap();
        assert!(ws.text().await.starts_with("0{"));
        let own = parser(Some(name), &Arc::new(Tilde));
        let decoder = own.decoder(Limits::default());
        Self { ws, own, decoder }
    }

    async fn send(&mut self, text: &str, attachments: &[&'static [u8]]) {
        let mut decoder = Decoder::default();
        let mut packet = decoder.text(text.to_owned().into()).unwrap();
        for attachment in attachments {
            packet = decoder.binary(Bytes::from_static(attachment)).unwrap();
        }
        let packet = packet.unwrap();
        let encoded = match &self.own {
            ConnectionParser::Custom(parser) => parser.encode(&packet).unwrap(),
            ConnectionParser::BuiltIn(Parser::Json) => {
                let mut text = Vec::new();
                let attachments = Parser::Json.encode_packet(&mut text, &packet).unwrap();
                Encoded::Text(String::from_utf8(text).unwrap(), attachments)
            }
            _ => {
                let mut data = Vec::new();
                Parser::Msgpack.encode_packet(&mut data, &packet).unwrap();
                Encoded::Binary(data.into())
            }
        };
        match encoded {
            Encoded::Text(text, attachments) => {
                self.ws.send(&format!("4{text}")).await;
                for attachment in attachments {
                    self.ws.send_binary(&attachment).await;
                }
            }
            Encoded::Binary(data) => self.ws.send_binary(&data).await,
            other => panic!("{other:?}"),
        }
    }

    /// The next packet as JSON, with its attachments in hexadecimal form.
    async fn next(&mut self) -> String {
        let mut packet = None;
        while packet.is_none() {
            let decoded = match self.ws.next().await {
                Some(WsMessage::Text(text)) => self.decoder.text(text.as_str()[1..].to_owned().into()),
                Some(WsMessage::Binary(data)) => self.decoder.binary(data),
                other => panic!("{other:?}"),
            };
            packet = decoded.unwrap();
        }
        let mut text = Vec::new();
        let attachments = Parser::Json.encode_packet(&mut text, &packet.unwrap()).unwrap();
        let mut text = String::from_utf8(text).unwrap();
        for attachment in attachments {
            text.extend(attachment.iter().map(|byte| format!(" {byte:02x}")));
        }
        text
    }

    async fn join(&mut self) -> serde_json::Value {
        self.send("0", &[]).await;
        let answer = self.next().await;
        let answer = answer.strip_prefix('0').unwrap_or_else(|| panic!("{answer}"));
        serde_json::from_str(answer).unwrap()
    }
}

fn set_up(io: &Server) {
    io.on("echo", |socket: Socket, args: RawArgs| async move { socket.emit("echo", &args) });
    io.on("sum", |Data(numbers): Data<Vec<i32>>| async move { Ack(numbers.iter().sum::<i32>()) });
    io.on("to all", |socket: Socket, args: RawArgs| async move {
        socket.broadcast().emit("for the others", &args).await
    });
    io.of("/refusing").middleware(|| async { Err::<(), _>("not today") });
}

#[tokio::test]
async fn clients_with_different_parsers_share_a_port() {
    for base in [Parser::Json, Parser::Msgpack] {
        let running = start(by_query(base), set_up).await;
        let mut clients = Vec::new();
        let mut ids = Vec::new();
        for name in PARSERS {
            let mut client = Client::open(&running, name).await;
            client.send("0/refusing,", &[]).await;
            assert_eq!(client.next().await, r#"4/refusing,{"message":"not today"}"#, "{name}");
            ids.push(client.join().await["sid"].as_str().unwrap().to_owned());
            client
                .send(r#"51-["echo",{"a":[1,"x"],"b":{"_placeholder":true,"num":0}}]"#, &[b"\x00\xff"])
                .await;
            let expected = r#"51-["echo",{"a":[1,"x"],"b":{"_placeholder":true,"num":0}}] 00 ff"#;
            assert_eq!(client.next().await, expected, "{name}");
            client.send(r#"27["sum",[1,2,3]]"#, &[]).await;
            assert_eq!(client.next().await, "37[6]", "{name}");
            clients.push(client);
        }
        // A broadcast by each, to the others.
        for from in 0..3 {
            clients[from].send(r#"51-["to all",{"_placeholder":true,"num":0},1]"#, &[b"\x07"]).await;
            for to in (0..3).filter(|to| *to != from) {
                let expected = r#"51-["for the others",{"_placeholder":true,"num":0},1] 07"#;
                assert_eq!(clients[to].next().await, expected, "{from} to {to}");
            }
        }
        // To all with acknowledgements, one of them binary.
        let io = running.io.clone();
        let asked = tokio::spawn(async move { io.emit_with_ack::<serde_json::Value>("question", &1).await });
        for (number, client) in clients.iter_mut().enumerate() {
            let event = client.next().await;
            let id = event.strip_prefix('2').and_then(|rest| rest.strip_suffix(r#"["question",1]"#));
            let id = id.unwrap_or_else(|| panic!("{event}"));
            client.send(&format!("3{id}[{number}]"), &[]).await;
        }
        let mut answers = tests::raw::soon(asked).await.unwrap().unwrap();
        answers.sort_by_key(serde_json::Value::as_i64);
        assert_eq!(answers, [json!(0), json!(1), json!(2)]);
        // One that a parser cannot encode does not reach its clients, and all others.
        assert_eq!(running.io.emit("not for all", &1).await.map_err(|error| error.to_string()), Ok(()));
        let error = running.io.socket(&ids[2]).unwrap().emit("not for all", &1).unwrap_err();
        assert_eq!(error.to_string(), "the packet cannot be encoded: no tilde for this one");
        assert_eq!(clients[0].next().await, r#"2["not for all",1]"#);
        assert_eq!(clients[1].next().await, r#"2["not for all",1]"#);
        for (client, id) in clients.iter_mut().zip(&ids) {
            running.io.socket(id).unwrap().disconnect(false);
            assert_eq!(client.next().await, "1");
        }
        assert!(running.io.is_empty());
        // With the last other parser the conversion ends.
        running.io.emit("nobody", &Binary::from_static(b"x")).await.unwrap();
    }
}

/// The missed events were kept in the server's encoding.
#[tokio::test]
async fn missed_events_are_recovered_in_the_encoding_of_the_client() {
    let running = start(by_query(Parser::Json).connection_state_recovery(Recovery::default()), set_up).await;
    for name in PARSERS {
        let mut client = Client::open(&running, name).await;
        let first = client.join().await;
        running.io.emit("first", &Args((1, Binary::from_static(b"\x01")))).await.unwrap();
        let event = client.next().await;
        let offset = event.split('"').nth_back(1).unwrap();
        assert!(event.starts_with(r#"51-["first",1,{"_placeholder":true,"num":0},""#), "{event}");
        client.ws.cut();
        tests::raw::soon(async {
            while !running.io.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        running.io.emit("missed", &Binary::from_static(b"\x02")).await.unwrap();
        let mut client = Client::open(&running, name).await;
        let identity = json!({"pid": first["pid"], "offset": offset});
        client.send(&format!("0{identity}"), &[]).await;
        let event = client.next().await;
        assert!(event.starts_with(r#"51-["missed",{"_placeholder":true,"num":0},""#), "{name}: {event}");
        assert!(event.ends_with(" 02"), "{name}: {event}");
        let confirmed: serde_json::Value = serde_json::from_str(&client.next().await[1..]).unwrap();
        assert_eq!(confirmed["sid"], first["sid"]);
        client.ws.cut();
        tests::raw::soon(async {
            while !running.io.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// An error of a custom decoder ends the connection like one of a built-in decoder.
#[tokio::test]
async fn an_error_of_a_custom_decoder_closes_the_connection() {
    let running = start(by_query(Parser::Json), set_up).await;
    let mut client = Client::open(&running, "tilde").await;
    client.join().await;
    client.ws.send(r#"42["echo",1]"#).await;
    client.ws.closed().await;
    tests::raw::soon(async {
        while !running.io.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A custom decoder makes packets of its own from JSON.
#[test]
fn payloads_of_custom_decoders_come_from_json() {
    let limits = Limits::default();
    let args = RawArgs::from_json_array(r#"[1,"two"]"#.into(), Vec::new(), &limits).unwrap();
    let packet = Packet { namespace: "/n".into(), ack_id: Some(7), payload: Payload::Ack(args) };
    let mut text = Vec::new();
    Parser::Json.encode_packet(&mut text, &packet).unwrap();
    assert_eq!(text, br#"3/n,7[1,"two"]"#);
    let value = RawValue::from_json(&r#"{"token":1}"#.into(), &limits).unwrap();
    assert_eq!(value.parse::<serde_json::Value>().unwrap(), json!({"token": 1}));
    for invalid in [r#"{"a":1}"#, "[1", "", r#"[{"_placeholder":true,"num":0}]x"#] {
        assert!(RawArgs::from_json_array(invalid.into(), Vec::new(), &limits).is_err(), "{invalid}");
    }
    let second = r#"[{"_placeholder":true,"num":1}]"#;
    assert!(
        RawArgs::from_json_array(second.into(), vec![Bytes::new()], &limits).is_err(),
        "only one attachment"
    );
    assert!(RawValue::from_json(&"1 2".into(), &limits).is_err());
    let small = Limits { max_packet_bytes: 4, ..limits };
    assert!(RawValue::from_json(&"12345".into(), &small).is_err());
    assert!(RawArgs::from_json_array("[123]".into(), Vec::new(), &small).is_err());
}
