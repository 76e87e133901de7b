//! Content of the files: codings, ETags and conditional requests.

use std::collections::HashSet;
use std::io::Read;

use futures_util::FutureExt;
use http::Request as HttpRequest;
use http_body_util::{BodyExt, Empty};
use tests::raw::until;

use super::{ETAG, FILES, PACKAGE, Package, SCRIPT, content, get};
use crate::support::start;

/// SIO-SRV-001, SIO-SRV-003, SIO-SRV-004, SIO-SRV-005, SIO-SRV-009, SIO-SRV-010, SIO-SRV-011, SIO-SRV-012,
/// SIO-SRV-018, SIO-SRV-021, SIO-SRV-022
#[tokio::test]
async fn each_file_is_served() {
    let package = Package::new(Some(PACKAGE));
    let running = start(package.server(), |_| ()).await;
    for (name, content_type) in FILES {
        let response = get(&running, &format!("/socket.io/{name}"), &[]).await;
        assert_eq!(response.both(), (200, content(name).as_str()));
        assert_eq!(response.header("content-type"), Some(content_type), "{name}");
        assert_eq!(response.header("etag"), Some(ETAG));
        assert_eq!(response.header("cache-control"), Some("public, max-age=0"));
        assert_eq!(response.header("content-encoding"), None);
        assert_eq!(response.all("vary"), ["Accept-Encoding"]);
        assert_eq!(response.header("x-sourcemap"), None);
        assert_eq!(response.header("sourcemap"), None);
    }
}

/// SIO-SRV-006, SIO-SRV-007
#[tokio::test]
async fn the_client_selects_the_content_coding() {
    let package = Package::new(Some(PACKAGE));
    let running = start(package.server(), |_| ()).await;
    for (accept, expected) in [
        ("gzip,br,deflate", Some("gzip")),
        ("gzip, deflate, br, zstd", Some("gzip")),
        ("br", Some("br")),
        ("deflate", Some("deflate")),
        ("gzip;q=0.5, br;q=0.8", Some("br")),
        ("*", Some("br")),
        ("identity", None),
        ("gzip;q=0", None),
    ] {
        // The second request is answered from the cache of the first.
        for _ in 0..2 {
            let response = get(&running, "/socket.io/socket.io.js", &[("accept-encoding", accept)]).await;
            assert_eq!(response.header("content-encoding"), expected, "{accept}");
            assert_eq!(response.header("content-type"), Some(SCRIPT));
            assert_eq!(response.header("etag"), Some(ETAG));
            assert_eq!(response.all("vary"), ["Accept-Encoding"]);
            assert_eq!(response.header("content-length"), Some(response.body.len().to_string().as_str()));
            if expected.is_some() {
                assert!(response.body.len() < 200, "{accept}: {} bytes", response.body.len());
            }
            let text = decoded(expected, &response.body);
            assert!(text == content("socket.io.js"), "{accept}: {text:.40}");
        }
    }
}

fn decoded(coding: Option<&str>, body: &[u8]) -> String {
    let mut text = String::new();
    match coding {
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_string(&mut text),
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_string(&mut text),
        Some("deflate") => flate2::read::ZlibDecoder::new(body).read_to_string(&mut text),
        _ => return String::from_utf8(body.to_vec()).unwrap(),
    }
    .unwrap();
    text
}

/// A compression continues after its client has disconnected; otherwise clients that disconnect early could
/// keep the server busy forever.
#[tokio::test]
async fn a_compression_continues_after_its_client_disconnects() {
    let package = Package::new(Some(PACKAGE));
    let io = package.server().build().unwrap();
    let ask = || {
        let request = HttpRequest::get("/socket.io/socket.io.min.js").header("accept-encoding", "br");
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        let io = io.clone();
        async move { io.service().handle(request).await }
    };
    assert!(ask().now_or_never().is_none(), "it is not compressed at once");
    until(async || ask().now_or_never().is_some()).await;
    for response in futures_util::future::join_all((0..100).map(|_| ask())).await {
        assert_eq!(response.headers()["content-encoding"], "br");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(decoded(Some("br"), &body), content("socket.io.min.js"));
    }
}

/// SIO-SRV-013, SIO-SRV-014
#[tokio::test]
async fn a_matching_etag_is_answered_with_304() {
    let package = Package::new(Some(PACKAGE));
    let running = start(package.server(), |_| ()).await;
    let weak = format!("W/{ETAG}");
    let listed = format!("\"a\", {weak} ,\"b\"");
    for tag in [ETAG, weak.as_str(), listed.as_str(), "*"] {
        for (name, _) in FILES {
            let headers = [("if-none-match", tag), ("accept-encoding", "gzip")];
            let response = get(&running, &format!("/socket.io/{name}"), &headers).await;
            assert_eq!(response.both(), (304, ""), "{tag}");
            assert_eq!(response.header("etag"), Some(ETAG));
            assert_eq!(response.header("cache-control"), Some("public, max-age=0"));
            assert_eq!(response.all("vary"), ["Accept-Encoding"]);
            assert_eq!(response.header("content-encoding"), None);
        }
    }
    for tag in ["\"4.9.1\"", "4.9.1-rc.2", "\"\"", ""] {
        let response = get(&running, "/socket.io/socket.io.js", &[("if-none-match", tag)]).await;
        assert_eq!(response.status, 200, "{tag}");
    }
}

/// Without a reliable version, the ETag is derived from the content.
#[tokio::test]
async fn the_etag_of_an_unknown_version_is_derived_from_the_content() {
    let mut tags = HashSet::new();
    for package_json in [
        None,
        Some("no json"),
        Some(r#"{"name": "socket.io"}"#),
        Some(r#"{"name": "another package", "version": "1.0.0"}"#),
        Some(r#"{"name": "socket.io", "version": "1.0\", \"2.0"}"#),
        Some(r#"{"name": "socket.io", "version": ""}"#),
    ] {
        let package = Package::new(package_json);
        let running = start(package.server(), |_| ()).await;
        let mut of_files = Vec::new();
        for (name, _) in FILES {
            let target = format!("/socket.io/{name}");
            let tag = get(&running, &target, &[]).await.header("etag").unwrap().to_owned();
            assert!(tag.len() == 22 && tag.starts_with('"') && tag.ends_with('"'), "{tag}");
            assert_eq!(get(&running, &target, &[("if-none-match", &tag)]).await.status, 304);
            of_files.push(tag);
        }
        assert_eq!(of_files.iter().collect::<HashSet<_>>().len(), FILES.len());
        tags.insert(of_files);
    }
    assert_eq!(tags.len(), 1, "the same content has the same tag");
    let package = Package::new(Some(r#"{"name": "socket.io-client", "version": "5.0.0"}"#));
    let running = start(package.server(), |_| ()).await;
    let response = get(&running, "/socket.io/socket.io.js", &[]).await;
    assert_eq!(response.header("etag"), Some("\"5.0.0\""));
}
