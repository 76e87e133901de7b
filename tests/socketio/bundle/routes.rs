//! Targets of the files, their origins, and errors at the start.

use std::collections::HashSet;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use engineio::Cors;
use http::{Request as HttpRequest, Response as HttpResponse, StatusCode};
use http_body_util::Empty;
use serde_json::Value;
use socketio_server::{BundleError, Server};
use tests::raw::{Request, Response};

use super::{ETAG, FILES, PACKAGE, Package, content, get};
use crate::support::{builder, start};

/// SIO-SRV-002
#[tokio::test]
async fn the_query_is_ignored() {
    let package = Package::new(Some(PACKAGE));
    let running = start(package.server(), |_| ()).await;
    for query in ["?buster=1432", "?", "?EIO=4&transport=polling", "?a?b/socket.io.js.map"] {
        let response = get(&running, &format!("/socket.io/socket.io.js{query}"), &[]).await;
        assert_eq!(response.both(), (200, content("socket.io.js").as_str()), "{query}");
    }
}

/// SIO-SRV-008
#[tokio::test]
async fn other_origins_can_load_the_bundle() {
    let package = Package::new(Some(PACKAGE));
    let cors = Cors::origin("https://good-origin.com").unwrap();
    let running = start(package.server().cors(cors), |_| ()).await;
    let target = "/socket.io/socket.io.js";
    let origin = ("origin", "https://good-origin.com");
    let response = get(&running, target, &[origin]).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("access-control-allow-origin"), Some("https://good-origin.com"));
    assert_eq!(response.all("vary"), ["Accept-Encoding", "Origin"]);
    let unchanged = get(&running, target, &[origin, ("if-none-match", ETAG)]).await;
    assert_eq!(unchanged.status, 304);
    assert_eq!(unchanged.header("access-control-allow-origin"), Some("https://good-origin.com"));
}

/// SIO-SRV-015
#[tokio::test]
async fn no_files_are_served_by_default() {
    let running = start(builder(), |_| ()).await;
    for (name, _) in FILES {
        let response = get(&running, &format!("/socket.io/{name}"), &[]).await;
        assert_eq!(response.both(), (400, r#"{"code":0,"message":"Transport unknown"}"#));
    }
}

/// SIO-SRV-019
#[tokio::test]
async fn other_names_are_bad_requests() {
    let package = Package::new(Some(PACKAGE));
    std::fs::write(package.folder().join("socket.io.esm.js"), "secret").unwrap();
    let running = start(package.server(), |_| ()).await;
    for name in [
        "socket.io.esm.js",
        "package.json",
        "../package.json",
        "",
        "socket.io.js/",
        "/socket.io.js",
        "client-dist/socket.io.js",
        "SOCKET.IO.JS",
        "socket%2eio.js",
    ] {
        let response = get(&running, &format!("/socket.io/{name}"), &[]).await;
        assert_eq!(response.both(), (400, r#"{"code":0,"message":"Transport unknown"}"#), "{name}");
    }
}

/// SIO-SRV-020
#[tokio::test]
async fn files_are_served_below_the_path_of_the_server() {
    let package = Package::new(Some(PACKAGE));
    let running = start(package.server(), |_| ()).await;
    for target in ["/socket.io.js", "/other/socket.io.js", "/socket.iox/socket.io.js"] {
        assert_eq!(get(&running, target, &[]).await.status, 404, "{target}");
    }
    let running = start(package.server().path("/some/place/"), |_| ()).await;
    assert_eq!(get(&running, "/some/place/socket.io.js", &[]).await.status, 200);
    assert_eq!(get(&running, "/socket.io/socket.io.js", &[]).await.status, 404);
}

#[tokio::test]
async fn a_head_request_receives_the_headers_only() {
    let package = Package::new(Some(PACKAGE));
    let running = start(package.server(), |_| ()).await;
    for accept in ["identity", "gzip"] {
        let request =
            |method| Request::new(method, "/socket.io/socket.io.js").header("accept-encoding", accept);
        let whole = request("GET").send(running.addr).await;
        let head = request("HEAD").send(running.addr).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        let headers = |response: &Response| -> HashSet<(String, String)> {
            response.headers.iter().filter(|(name, _)| name != "date").cloned().collect()
        };
        assert_eq!(headers(&head), headers(&whole));
        assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
    }
    let posted = Request::new("POST", "/socket.io/socket.io.js").body("x").send(running.addr).await;
    assert_eq!(posted.status, 400, "a POST is left to Engine.IO");
}

/// SIO-SRV-016
#[tokio::test]
async fn the_layer_serves_the_bundle_before_other_routes() {
    /// Answers every request with 404.
    struct NotFound;

    impl tower_service::Service<HttpRequest<Empty<bytes::Bytes>>> for NotFound {
        type Response = HttpResponse<Empty<bytes::Bytes>>;
        type Error = std::convert::Infallible;
        type Future = Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: HttpRequest<Empty<bytes::Bytes>>) -> Self::Future {
            let mut response = HttpResponse::new(Empty::new());
            *response.status_mut() = StatusCode::NOT_FOUND;
            ready(Ok(response))
        }
    }

    let package = Package::new(Some(PACKAGE));
    let io = package.server().build().unwrap();
    let mut host = tower_layer::Layer::layer(&io.layer(), NotFound);
    for (target, expected) in
        [("/socket.io/socket.io.js", StatusCode::OK), ("/socket.io.js", StatusCode::NOT_FOUND)]
    {
        let request = HttpRequest::get(target).body(Empty::new()).unwrap();
        let response = tower_service::Service::call(&mut host, request).await.unwrap();
        assert_eq!(response.status(), expected, "{target}");
    }
    // A router may have removed the prefix before it forwards the request.
    let request = HttpRequest::get("/socket.io.js").body(Empty::<bytes::Bytes>::new()).unwrap();
    assert_eq!(io.service().handle(request).await.status(), StatusCode::OK);
}

/// SIO-SRV-017
#[tokio::test]
async fn settings_of_both_layers_are_combined() {
    let package = Package::new(Some(PACKAGE));
    let server = package
        .server()
        .ping_timeout(Duration::from_millis(6000))
        .engine(|engine| engine.ping_interval(Duration::from_millis(24_000)));
    let running = start(server, |_| ()).await;
    let open = running.polling().await.open;
    assert_eq!((&open["pingTimeout"], &open["pingInterval"]), (&Value::from(6000), &Value::from(24_000)));
    assert_eq!(get(&running, "/socket.io/socket.io.js", &[]).await.status, 200);
}

/// SIO-SRV-023, SIO-SRV-024
#[tokio::test]
async fn cors_applies_below_the_path() {
    let package = Package::new(Some(PACKAGE));
    let cors = Cors::origins(["http://localhost:54023"]).methods(["GET", "POST"]).unwrap();
    let cors = cors.allowed_headers(["content-type"]).unwrap().credentials(true);
    let running = start(package.server().cors(cors), |_| ()).await;
    let target = "/socket.io/default/?EIO=4&transport=polling";
    let origin = ("origin", "http://localhost:54023");

    let preflight = Request::new("OPTIONS", target)
        .header(origin.0, origin.1)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type")
        .send(running.addr)
        .await;
    assert_eq!(preflight.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "http://localhost:54023"),
        ("access-control-allow-methods", "GET,POST"),
        ("access-control-allow-headers", "content-type"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(preflight.header(name), Some(value), "{name}");
    }

    let opened = get(&running, target, &[origin]).await;
    assert_eq!(opened.status, 200);
    assert_eq!(opened.header("access-control-allow-origin"), Some("http://localhost:54023"));
    assert_eq!(opened.header("access-control-allow-credentials"), Some("true"));
}

#[tokio::test]
async fn a_folder_without_the_bundle_is_an_error_at_start() {
    let package = Package::new(Some(PACKAGE));
    let lacking = package.folder();
    std::fs::remove_file(lacking.join("socket.io.min.js.map")).unwrap();
    std::fs::remove_file(lacking.join("socket.io.js")).unwrap();
    let error = Server::builder().serve_client(&lacking).unwrap_err();
    assert!(
        matches!(&error, BundleError::Missing { folder, files }
            if *folder == lacking && *files == ["socket.io.js", "socket.io.min.js.map"]),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("client-dist") && text.ends_with("missing socket.io.js, socket.io.min.js.map"),
        "{text}"
    );

    std::fs::write(lacking.join("socket.io.min.js.map"), "").unwrap();
    std::fs::create_dir(lacking.join("socket.io.js")).unwrap();
    for unreadable in ["client-dist/socket.io.js", "package.json", "nowhere"] {
        let path = package.0.path().join(unreadable);
        let folder = if unreadable.starts_with("client-dist") { &lacking } else { &path };
        let error = Server::builder().serve_client(folder).unwrap_err();
        assert!(matches!(&error, BundleError::Read { path: named, .. } if *named == path), "{error:?}");
        assert!(error.to_string().contains(unreadable), "{error}");
    }
}
