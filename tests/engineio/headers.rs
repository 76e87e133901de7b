//! Headers of polling responses, and compression.

use bytes::Bytes;
use engineio::{Compression, Prepared, Server, ServerBuilder};
use tests::raw::{Request, Response, start, start_greeting};

/// EIO-SRV-166
#[tokio::test]
async fn polling_responses_are_not_cached() {
    let running = start(Server::builder()).await;
    let client = running.polling().await;
    assert_eq!(client.response.header("cache-control"), Some("no-store"));
    assert_eq!(client.response.header("content-type"), Some("text/plain; charset=UTF-8"));
    let post = client.post("4x").await;
    assert_eq!(
        (post.header("cache-control"), post.header("content-type")),
        (Some("no-store"), Some("text/html"))
    );
}

/// EIO-SRV-164, EIO-SRV-165
#[tokio::test]
async fn internet_explorer_receives_the_xss_protection_header() {
    let running = start(Server::builder()).await;
    for (agent, expected) in [
        ("Mozilla/4.0 (compatible;MSIE 8.0; Windows NT 6.1)", Some("0")),
        ("Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", Some("0")),
        ("Mozilla/5.0 (X11; Linux x86_64)", None),
    ] {
        let request = Request::new("GET", "/engine.io/?EIO=4&transport=polling").header("user-agent", agent);
        assert_eq!(request.send(running.addr).await.header("x-xss-protection"), expected, "{agent}");
    }
}

async fn first_poll(builder: ServerBuilder, accept: &str, message: Prepared) -> Response {
    let running = start_greeting(builder, move |session| session.send(message.clone()).unwrap()).await;
    let client = running.polling().await;
    Request::new("GET", &client.target).header("accept-encoding", accept).send(running.addr).await
}

fn binary(len: usize) -> Prepared {
    Prepared::binary(Bytes::from(vec![7; len]))
}

/// EIO-SRV-156, EIO-SRV-157, EIO-SRV-158
#[tokio::test]
async fn large_responses_are_compressed_with_a_coding_of_the_client() {
    let gzip = first_poll(Server::builder(), "gzip, deflate", binary(1024)).await;
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    let mut plain = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&gzip.body[..]), &mut plain).unwrap();
    assert_eq!((plain.len(), &plain[..2]), (1 + 1024usize.div_ceil(3) * 4, "bB"));
    let deflate = first_poll(Server::builder(), "deflate", binary(1024)).await;
    assert_eq!(deflate.header("content-encoding"), Some("deflate"));
    let small = Server::builder().http_compression(Compression::new().threshold(0));
    assert_eq!(first_poll(small, "gzip, deflate", binary(10)).await.header("content-encoding"), Some("gzip"));
}

/// EIO-SRV-159, EIO-SRV-160, EIO-SRV-161
#[tokio::test]
async fn responses_are_compressed_only_on_request() {
    let off = Server::builder().http_compression(None);
    assert_eq!(first_poll(off, "gzip, deflate", binary(1024)).await.header("content-encoding"), None);
    let unwilling = binary(1024).compress(false);
    assert_eq!(
        first_poll(Server::builder(), "gzip, deflate", unwilling).await.header("content-encoding"),
        None
    );
    assert_eq!(
        first_poll(Server::builder(), "gzip, deflate", binary(100)).await.header("content-encoding"),
        None
    );
    assert_eq!(
        first_poll(Server::builder(), "identity", binary(1024)).await.header("content-encoding"),
        None
    );
}
