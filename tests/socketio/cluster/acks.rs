//! Acknowledgements of clients on all nodes.

use std::time::Duration;

use socketio_server::Binary;
use tests::raw::soon;

use super::Cluster;
use super::bus::Bus;

/// ADAPTER-28
#[tokio::test]
async fn acks_are_collected_from_all_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let io = cluster.io(0).clone();
        let pending = tokio::spawn(async move {
            io.timeout(Duration::from_secs(20)).emit_with_ack::<u32>("question", &()).await
        });
        cluster.answer(&[Some("1"), Some("2"), Some("3")]).await;
        let mut answers = soon(pending).await.unwrap().unwrap();
        answers.sort();
        assert_eq!(answers, [1, 2, 3]);
    }
}

/// ADAPTER-29
#[tokio::test]
async fn acks_may_be_binary() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let io = cluster.io(2).clone();
        let pending = tokio::spawn(async move {
            io.timeout(Duration::from_secs(20)).emit_with_ack::<Binary>("question", &()).await
        });
        for (number, ws) in cluster.clients.iter_mut().enumerate() {
            let event = ws.text().await;
            let id: String = event[2..].chars().take_while(char::is_ascii_digit).collect();
            ws.send(&format!(r#"461-{id}[{{"_placeholder":true,"num":0}}]"#)).await;
            ws.send_binary(&[number as u8]).await;
        }
        let mut answers: Vec<_> = soon(pending).await.unwrap().unwrap().iter().map(|data| data[0]).collect();
        answers.sort();
        assert_eq!(answers, [0, 1, 2]);
    }
}

/// ADAPTER-30
#[tokio::test]
async fn an_empty_room_completes_immediately() {
    for bus in Bus::of_each_kind() {
        let cluster = Cluster::new(bus).await;
        let long = cluster.io(0).to("empty room").timeout(Duration::from_secs(3600));
        assert_eq!(soon(long.emit_with_ack::<u32>("question", &())).await.unwrap(), [0; 0]);
    }
}

/// ADAPTER-31
#[tokio::test]
async fn a_client_without_ack_counts_as_missing() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let io = cluster.io(0).clone();
        let pending = tokio::spawn(async move {
            io.timeout(Duration::from_millis(500)).emit_with_ack::<u32>("question", &()).await
        });
        cluster.answer(&[Some("1"), Some("2"), None]).await;
        let error = soon(pending).await.unwrap().unwrap_err();
        assert!(error.to_string().starts_with("operation has timed out"), "{error}");
        let partial = error.partial().unwrap();
        assert_eq!((partial.answers.len(), partial.missing, partial.silent.len()), (2, 1, 0));
    }
}

/// ADAPTER-32
#[tokio::test]
async fn a_local_socket_acknowledges_events() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let socket = cluster.io(0).socket(&cluster.ids[0]).unwrap();
        let pending = tokio::spawn(async move { socket.emit_with_ack::<u32>("question", &()).await });
        cluster.answer(&[Some("2")]).await;
        assert_eq!(soon(pending).await.unwrap().unwrap(), 2);
    }
}

/// ADAPTER-33
#[tokio::test]
async fn a_socket_of_another_node_acknowledges_events() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let id = cluster.ids[1].clone();
        let remote = cluster.io(0).r#in(&id).fetch_sockets().await.unwrap().remove(0);
        assert_eq!(remote.id(), id);
        let pending = tokio::spawn(async move {
            let remote = remote.timeout(Duration::from_secs(20));
            remote.emit("hello", &1).await.unwrap();
            remote.emit_with_ack::<u32>("question", &()).await
        });
        assert_eq!(cluster.clients[1].text().await, r#"42["hello",1]"#);
        let ws = &mut cluster.clients[1];
        assert_eq!(ws.text().await, r#"420["question",null]"#);
        ws.send("430[2]").await;
        assert_eq!(soon(pending).await.unwrap().unwrap(), 2);
    }
}
