//! The requests that a connection answers, and the memory that a client can occupy.

use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::server::http::routes::Routes;
use crate::server::response::body::Body;

const PATIENCE: Duration = Duration::from_secs(30);

/// The responses that a client receives when it sends these requests and ends its side. Each response
/// takes a second.
async fn answers(requests: &str) -> String {
    let routes = Routes::new(|_| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Response::new(Body::from("late"))
    });
    let (ours, mut theirs) = tokio::io::duplex(1024);
    let deadlines = Deadlines { head: PATIENCE, body: PATIENCE };
    let serving = tokio::spawn(run(
        routes,
        deadlines,
        Io::new(ours),
        ([127, 0, 0, 1], 1).into(),
        std::future::pending(),
    ));
    theirs.write_all(requests.as_bytes()).await.unwrap();
    theirs.shutdown().await.unwrap();
    let mut answers = String::new();
    tokio::time::timeout(PATIENCE, theirs.read_to_string(&mut answers)).await.unwrap().unwrap();
    tokio::time::timeout(PATIENCE, serving).await.unwrap().unwrap();
    answers
}

/// `nc -N` and simple scripts end their side behind the request.
#[tokio::test(start_paused = true)]
async fn a_client_that_ends_its_side_behind_a_whole_request_is_answered() {
    let counted = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n4a";
    let chunked = "PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let answers = answers(&format!("{counted}{counted}")).await;
    assert_eq!(answers.matches("late").count(), 2, "{answers}");
    // An incomplete body, and a GET, which may be waiting for a message that would be lost.
    assert_eq!(self::answers(&chunked[..chunked.len() - 2]).await, "");
    assert_eq!(self::answers(&counted[..counted.len() - 1]).await, "");
    assert_eq!(self::answers("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await, "");
}

/// The memory that a client can occupy by not waiting for its responses: the limit, and the bytes of the
/// read that exceeds it.
#[tokio::test(start_paused = true)]
async fn what_is_sent_ahead_of_an_answer_has_a_limit() {
    const PIPE: usize = 256 * 1024;
    const READ: usize = 64 * 1024;
    let routes = Routes::new(|_| std::future::pending::<Response<Body>>());
    let (ours, mut theirs) = tokio::io::duplex(PIPE);
    let deadlines = Deadlines { head: PATIENCE, body: PATIENCE };
    let peer = ([127, 0, 0, 1], 1).into();
    let end = std::future::pending();
    let serving = tokio::spawn(run(routes, deadlines, Io::new(ours), peer, end));
    theirs.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut sent = 0;
    while let Ok(written) = tokio::time::timeout(PATIENCE, theirs.write(&[b'x'; 1024])).await {
        sent += written.unwrap();
    }
    let held = sent - PIPE;
    assert!((AHEAD..AHEAD + READ).contains(&held), "{held}");
    assert!(!serving.is_finished());
    serving.abort();
}
