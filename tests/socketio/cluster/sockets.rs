//! Calls for the sockets of all nodes.

use socketio_server::Socket;
use tests::raw::until;

use super::Cluster;
use super::bus::Bus;

/// ADAPTER-34, ADAPTER-35, ADAPTER-36
#[tokio::test]
async fn sockets_join_on_all_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let lens = |cluster: &Cluster, room| (0..3).map(|n| cluster.io(n).room_len(room)).collect::<Vec<_>>();
        cluster.io(0).sockets_join("all").await.unwrap();
        cluster.io(1).socket(&cluster.ids[1]).unwrap().join("some");
        cluster.io(2).socket(&cluster.ids[2]).unwrap().join("some");
        cluster.io(0).to("some").sockets_join("more").await.unwrap();
        cluster.io(0).to(&cluster.ids[1]).sockets_join("one").await.unwrap();
        cluster.flushed().await;
        assert_eq!(lens(&cluster, "all"), [1, 1, 1]);
        assert_eq!(lens(&cluster, "more"), [0, 1, 1]);
        assert_eq!(lens(&cluster, "one"), [0, 1, 0]);
    }
}

/// ADAPTER-37, ADAPTER-38, ADAPTER-39
#[tokio::test]
async fn sockets_leave_on_all_nodes() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        let lens = |cluster: &Cluster, room| (0..3).map(|n| cluster.io(n).room_len(room)).collect::<Vec<_>>();
        cluster.io(0).sockets_join(["all", "some", "one"]).await.unwrap();
        cluster.flushed().await;
        cluster.io(0).socket(&cluster.ids[0]).unwrap().join("member");
        cluster.io(2).socket(&cluster.ids[2]).unwrap().join("member");
        cluster.io(1).sockets_leave("all").await.unwrap();
        cluster.io(1).to("member").sockets_leave("some").await.unwrap();
        cluster.io(1).to(&cluster.ids[2]).sockets_leave("one").await.unwrap();
        cluster.flushed().await;
        assert_eq!(lens(&cluster, "all"), [0, 0, 0]);
        assert_eq!(lens(&cluster, "some"), [0, 1, 0]);
        assert_eq!(lens(&cluster, "one"), [1, 1, 0]);
    }
}

/// ADAPTER-40, ADAPTER-41
#[tokio::test]
async fn sockets_are_disconnected_on_all_nodes_after_earlier_events() {
    for bus in Bus::of_each_kind() {
        let mut cluster = Cluster::new(bus).await;
        cluster.io(0).emit("bye", &1).await.unwrap();
        cluster.io(0).disconnect_sockets(true).await.unwrap();
        for ws in &mut cluster.clients {
            assert_eq!(ws.text().await, r#"42["bye",1]"#);
            assert_eq!(ws.text().await, "41");
            ws.closed().await;
        }
        for node in &cluster.nodes {
            until(async || node.io.is_empty()).await;
        }
    }
}

/// ADAPTER-42, ADAPTER-43
#[tokio::test]
async fn sockets_are_found_on_all_nodes() {
    for bus in Bus::of_each_kind() {
        let cluster = Cluster::in_namespace(bus, "/", |number, io| {
            io.on_connect(move |socket: Socket| async move {
                socket.join("room1");
                socket.data().set("node", number).unwrap();
            });
        })
        .await;
        let mut found = cluster.io(0).fetch_sockets().await.unwrap();
        found.sort_by_key(|socket| cluster.ids.iter().position(|id| id == socket.id()));
        assert_eq!(found.len(), 3);
        for (number, socket) in found.iter().enumerate() {
            let rooms: Vec<&str> = socket.rooms().iter().map(AsRef::as_ref).collect();
            assert_eq!(rooms, [socket.id(), "room1"]);
            assert_eq!(socket.data()["node"], number);
            let local = cluster.io(number).socket(socket.id()).unwrap();
            assert_eq!(*socket.handshake(), local.handshake().details());
            assert_eq!(socket.handshake().query["EIO"], "4");
        }
        let one = cluster.io(0).r#in(&cluster.ids[2]).fetch_sockets().await.unwrap();
        one[0].join("joined").await.unwrap();
        one[0].leave("room1").await.unwrap();
        let again = cluster.io(0).r#in(&cluster.ids[2]).fetch_sockets().await.unwrap();
        assert_eq!(
            again[0].rooms().iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
            [again[0].id(), "joined"]
        );
    }
}
