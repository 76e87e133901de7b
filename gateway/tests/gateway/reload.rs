//! Key rotation in a running gateway.

use std::path::Path;
use std::process::Output;

use serde_json::json;
use tests::raw::{Request, WebSocket, soon};

use crate::cli::{run, serve};
use crate::support::start;

const KEYS: [&str; 2] = ["the first key of ours", "the second key of ours"];

fn write(path: &Path, key: &str, more: &str) {
    let text = format!(
        "[api]\nkeys = [\"{key}\"]\n[auth]\nanonymous = false\njwt_key = \"{key}\"\nsession_secret = \"{key} too\"\n{more}"
    );
    std::fs::write(path, text).unwrap();
}

async fn token(path: &str) -> String {
    let made = run(&["gen-token", "ada", "--config", path]).await;
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn sighup_replaces_keys_and_disconnects_no_client() {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    write(file.path(), KEYS[0], "");
    let served = serve(&["--config", &path]).await;
    let tokens = [token(&path).await, {
        write(file.path(), KEYS[1], "");
        token(&path).await
    }];
    let admitted = async |key: &str| {
        let request = Request::new("GET", "/api/rooms").header("x-api-key", key);
        request.send(served.addr).await.status == 200
    };
    let welcome = async |token: &str| WebSocket::open(served.addr, &format!("/?token={token}")).await.ok();
    let mut client = welcome(&tokens[0]).await.unwrap();
    assert!(welcome(&tokens[1]).await.is_none());
    assert_eq!((admitted(KEYS[0]).await, admitted(KEYS[1]).await), (true, false));

    served.signal("HUP").await;
    soon(async { while !admitted(KEYS[1]).await {} }).await;
    assert!(!admitted(KEYS[0]).await);
    assert!(welcome(&tokens[0]).await.is_none());
    assert!(welcome(&tokens[1]).await.is_some());
    client.send(r#"{"event":"ping","id":7}"#).await;
    soon(async { while !client.text().await.contains(r#""id":7"#) {} }).await;

    // Invalid settings are rejected as a whole.
    write(file.path(), KEYS[0], "[server]\nprot = 1\n");
    served.signal("HUP").await;
    served.said("reload failed").await;
    assert!(admitted(KEYS[1]).await);
    // Settings that need a restart are named in the log.
    write(file.path(), KEYS[0], "[server]\nmax_sessions = 1\n");
    served.signal("HUP").await;
    let line = served.said("reloaded; some settings need a restart").await;
    assert_eq!(line["fields"]["settings"], "server.max_sessions");
    assert!(admitted(KEYS[0]).await);
}

#[tokio::test]
async fn keys_can_be_set_up_later() {
    let running = start(json!({})).await;
    let token = String::from_utf8(
        run(&["gen-token", "ada", "--set", "auth.session_secret=a secret of this test"]).await.stdout,
    );
    let token = token.unwrap();
    let target = format!("/?token={}", token.trim());
    assert!(running.native(&target).await.ask("status", json!(null)).await["connection"]["user"].is_null());
    let mut config = running.gateway.config().clone();
    config.auth.session_secret = "a secret of this test".into();
    assert_eq!(running.gateway.reload(&config).unwrap(), Vec::<String>::new());
    assert_eq!(
        running.native(&target).await.ask("status", json!(null)).await["connection"]["user"],
        json!("ada")
    );
    assert_eq!(WebSocket::open(running.addr, "/?token=x").await.err(), Some(401));
}

#[tokio::test]
async fn the_command_line_makes_and_reads_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::KeyPair::generate().unwrap();
    let [private, public] = ["private.pem", "public.pem"].map(|name| folder.path().join(name));
    std::fs::write(&private, pair.serialize_pem()).unwrap();
    std::fs::write(&public, pair.public_key_pem()).unwrap();
    let secret = "auth.session_secret=a secret of this test";
    let jwt = "auth.jwt_key=another secret of this test";
    let public = format!("auth.jwt_key={}", pair.public_key_pem());
    let private = private.to_str().unwrap();
    let es = ["--set", "auth.jwt_method=ES256", "--set", &public, "--set", "auth.jwt_issuer=us"];
    for (settings, more) in [
        (&["--set", secret][..], &[][..]),
        (&["--set", jwt, "--set", "auth.jwt_audience=chat"], &[]),
        (&["--set", jwt, "--set", secret], &["--jwt"]),
        (&["--set", jwt, "--set", secret], &[]),
        (&es, &["--private-key", private]),
    ] {
        let made = run(&[&["gen-token", "ada", "--for", "1h"][..], settings, more].concat()).await;
        let (token, error) = said(&made);
        assert!(made.status.success(), "{settings:?}: {error}");
        let read = run(&[&["check-token", token.trim()][..], settings].concat()).await;
        let (identity, error) = said(&read);
        assert!(read.status.success(), "{settings:?}: {error}");
        assert!(identity.starts_with(r#"{"until":"20"#) && identity.trim().ends_with(r#""user":"ada"}"#));
        // Keys of another configuration do not verify the token.
        let other =
            run(&["check-token", token.trim(), "--set", "auth.jwt_key=a key of another issuer"]).await;
        assert!(!other.status.success());
        assert!(said(&other).1.contains("as a JWT: no configured key has "), "{}", said(&other).1);
    }
    for (arguments, error) in [
        (&["gen-token"][..], "neither auth.session_secret nor auth.jwt_key is set"),
        (&["gen-token", "", "--set", secret], "a user name of 1 to 256 bytes is expected"),
        (&["gen-token", "--private-key", "/nowhere", "--set", jwt], "/nowhere: "),
        (&[&["gen-token"][..], &es].concat(), "JWTs with ES256 require a private key"),
        (&["check-token", "x"], "none of auth.jwt_key, auth.jwks and auth.session_secret is set"),
        (&["check-token", "x", "--set", secret], "as a session token: it is no JSON Web Token"),
    ] {
        let output = run(arguments).await;
        assert!(!output.status.success());
        assert!(said(&output).1.contains(error), "{arguments:?}: {}", said(&output).1);
    }
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}
