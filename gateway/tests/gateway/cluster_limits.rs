//! Limits of what the gateways of a cluster tell each other, and keep for each other.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::raw::{Polling, soon, until};
use tests::redis::RedisServer;

use crate::cluster::{data, nodes};
use crate::media::AnyServer;
use crate::support::{Running, parsed};

/// The only other node's answer to a question.
async fn ask(node: &Running, question: Value) -> Value {
    let operators = node.gateway.io().namespace("/gateway").unwrap();
    let mut answers =
        soon(operators.server_side_emit_with_ack::<Value>("gateway:ask", &question)).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers[0]["answer"].take()
}

fn members(rooms: &Value) -> usize {
    let rooms = rooms.as_array().unwrap().iter();
    rooms.map(|room| room["clients"].as_array().unwrap().len()).sum()
}

/// A gateway tells another one up to 100,000 members of rooms, and says that there are more.
#[tokio::test]
async fn members_of_rooms_in_an_answer_are_limited() {
    for server in AnyServer::each().await {
        let [a, b] = nodes(&server, ["a", "b"], json!({"cluster": {"request_timeout_ms": 20_000}})).await;
        let mut clients = Vec::new();
        for _ in 0..11 {
            clients.push(b.native("/").await);
        }
        let join = |rooms: std::ops::Range<usize>| {
            for socket in b.gateway.io().sockets() {
                socket.join(rooms.clone().map(|room| room.to_string()).collect::<Vec<_>>());
            }
        };
        join(0..9_000);
        let answer = ask(&a, json!("rooms")).await;
        assert_eq!((members(&answer["rooms"]), &answer["truncated"]), (99_000, &json!(false)));
        join(9_000..9_990);
        let answer = ask(&a, json!("rooms")).await;
        assert_eq!((members(&answer["rooms"]), &answer["truncated"]), (100_000, &json!(true)));
        let listed = data(&a, "/api/rooms").await;
        assert_eq!((members(&listed["rooms"]), &listed["truncated"]), (100_000, &json!(true)));
    }
}

/// A gateway tells another one up to 1,001 sockets, however many are asked for.
#[tokio::test]
async fn sockets_in_an_answer_are_limited() {
    const SOCKETS: usize = 1_010;
    for server in AnyServer::each().await {
        let [a, b] = nodes(&server, ["a", "b"], json!({"cluster": {"request_timeout_ms": 20_000}})).await;
        // They hold no file descriptors.
        for _ in 0..SOCKETS / 101 {
            join_all((0..101).map(|_| async {
                let client = Polling::open(b.addr, "/socket.io/?EIO=4&transport=polling").await;
                assert_eq!(client.post("40").await.status, 200);
            }))
            .await;
        }
        until(async || b.gateway.io().len() == SOCKETS).await;
        let question =
            |limit: usize| json!({"sockets": {"namespace": "/", "rooms": [], "after": "", "limit": limit}});
        for (limit, told) in [(1_000, 1_000), (1_001, 1_001), (1_002, 1_001), (usize::MAX, 1_001)] {
            assert_eq!(ask(&a, question(limit)).await.as_array().unwrap().len(), told, "{limit}");
        }
        let page = data(&a, "/api/sockets?limit=1000").await;
        assert_eq!(page["sockets"].as_array().unwrap().len(), 1_000);
        let rest =
            data(&a, &format!("/api/sockets?limit=1000&after={}", page["next"].as_str().unwrap())).await;
        assert_eq!(rest["sockets"].as_array().unwrap().len(), SOCKETS - 1_000);
    }
}

/// The response of a call with an idempotency key is written into Redis up to 1 MiB. Beyond it, a repetition hears that the
/// call was carried out.
#[tokio::test]
async fn a_response_that_is_too_large_is_not_stored() {
    let redis = RedisServer::start().await;
    let [a, b] = nodes(&redis, ["a", "b"], json!({"transport": {"max_payload_bytes": 4_000_000}})).await;
    let client = a.native("/").await;
    // The response has the metadata, and some bytes around them.
    for (len, is_stored) in [((1 << 20) - 100, true), (1 << 20, false)] {
        let body = json!({"client_id": client.id, "metadata": {"m": "x".repeat(len)}}).to_string();
        let key = len.to_string();
        let call = |node: &Running| {
            let request = node.operator("POST", "/api/set_metadata").header("idempotency-key", &key);
            let request = request.header("content-type", "application/json").body(&body);
            let addr = node.addr;
            async move { request.send(addr).await }
        };
        let done = call(&a).await;
        assert_eq!(done.status, 200, "{len}");
        let stored = redis.command(&format!("HSTRLEN socket.io:gateway:call:{key} response")).await;
        let stored: usize = stored.trim_start_matches(':').trim().parse().unwrap();
        assert_eq!(stored, if is_stored { done.text().len() } else { 0 }, "{len}");
        for node in [&a, &b] {
            let again = call(node).await;
            if is_stored {
                assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
                assert_eq!(again.text(), done.text());
            } else {
                let (status, refused) = parsed(&again);
                assert_eq!((status, &refused["error"]["code"]), (409, &json!("response_lost")));
            }
        }
    }
}
