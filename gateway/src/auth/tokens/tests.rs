use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use serde_json::json;

use super::*;
use crate::auth::user::MAX_NAME_LEN;

const SECRET: &str = "an unguessable session secret";

fn auth(method: &str, key: &str) -> Auth {
    Auth { jwt_method: method.to_owned(), jwt_key: key.into(), ..Auth::default() }
}

fn sign(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

#[tokio::test]
async fn only_valid_tokens_are_accepted() {
    let tokens = Tokens::new(&auth("HS256", SECRET)).unwrap();
    let end = now() + 1000;
    let known = tokens.check(&sign(&json!({"sub": "ada", "exp": end, "aud": "x", "iss": "y"}))).await;
    assert_eq!(
        known,
        Some(Identity {
            user: Some("ada".to_owned()),
            until: end + LEEWAY,
            issued: None,
            session: None,
            metadata: Map::new(),
        })
    );
    assert_eq!(tokens.check(&sign(&json!({"sub": 7, "exp": end}))).await.unwrap().user, Some("7".to_owned()));
    assert_eq!(tokens.check(&sign(&json!({"exp": end}))).await.unwrap().user, None);
    for claims in [
        json!({"sub": "ada"}),
        json!({"sub": "ada", "exp": now() - 2 * LEEWAY}),
        json!({"sub": "ada", "exp": end, "nbf": end}),
        json!({"sub": "", "exp": end}),
        json!({"sub": ["ada"], "exp": end}),
        json!({"sub": "x".repeat(MAX_NAME_LEN + 1), "exp": end}),
    ] {
        assert_eq!(tokens.check(&sign(&claims)).await, None, "{claims}");
    }
    let good = sign(&json!({"sub": "ada", "exp": end}));
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
    for token in [&good[..good.len() - 2], &unsigned, "", "a.b.c", "é"] {
        assert_eq!(tokens.check(token).await, None, "{token}");
    }
    assert_eq!(Tokens::new(&auth("HS512", SECRET)).unwrap().check(&good).await, None);
    assert_eq!(Tokens::new(&auth("HS256", "another secret")).unwrap().check(&good).await, None);
}

#[tokio::test]
async fn issuer_and_audience_must_match() {
    let strict =
        Auth { jwt_issuer: "us".to_owned(), jwt_audience: "chat".to_owned(), ..auth("HS256", SECRET) };
    let strict = Tokens::new(&Auth { user_claim: "name".to_owned(), ..strict }).unwrap();
    let end = now() + 1000;
    let good = sign(&json!({"name": "ada", "sub": "x", "exp": end, "iss": "us", "aud": ["chat", "mail"]}));
    assert_eq!(strict.check(&good).await.unwrap().user, Some("ada".to_owned()));
    for claims in [
        json!({"exp": end, "iss": "us"}),
        json!({"exp": end, "aud": "chat"}),
        json!({"exp": end, "iss": "them", "aud": "chat"}),
        json!({"exp": end, "iss": "us", "aud": "mail"}),
    ] {
        assert_eq!(strict.check(&sign(&claims)).await, None, "{claims}");
    }
}

#[tokio::test]
async fn keys_must_match_their_algorithms() {
    assert!(matches!(Tokens::new(&auth("none", SECRET)), Err(TokenError::Method(_))));
    for method in ["RS256", "ES256", "EdDSA"] {
        assert!(matches!(Tokens::new(&auth(method, SECRET)), Err(TokenError::Key(_))), "{method}");
    }
}

#[tokio::test]
async fn every_family_of_methods_is_checked() {
    let openssl = |arguments: &[&str]| {
        let output = std::process::Command::new("openssl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let path = path.to_str().unwrap();
    let claims = json!({"sub": "ada", "exp": now() + 1000});
    type Signer = fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>;
    for (method, kind, option, signer) in [
        ("RS256", "RSA", "rsa_keygen_bits:2048", EncodingKey::from_rsa_pem as Signer),
        ("ES256", "EC", "ec_paramgen_curve:P-256", EncodingKey::from_ec_pem),
        ("EdDSA", "ED25519", "", EncodingKey::from_ed_pem),
    ] {
        let mut arguments = vec!["genpkey", "-algorithm", kind, "-out", path];
        if !option.is_empty() {
            arguments.extend(["-pkeyopt", option]);
        }
        openssl(&arguments);
        let public = openssl(&["pkey", "-in", path, "-pubout"]);
        let header = Header::new(method.parse().unwrap());
        let token = encode(&header, &claims, &signer(&std::fs::read(path).unwrap()).unwrap()).unwrap();
        let set = folder.path().join("keys.json");
        let private = signer(&std::fs::read(path).unwrap()).unwrap();
        let jwk = if method == "EdDSA" {
            // `jsonwebtoken` does not export Ed25519 keys as JWK. The public key is the last 32 bytes of the
            // DER encoding.
            std::process::Command::new("openssl")
                .args(["pkey", "-in", path, "-pubout", "-outform", "DER", "-out", &format!("{path}.der")])
                .status()
                .unwrap();
            let public = std::fs::read(format!("{path}.der")).unwrap();
            json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(&public[public.len() - 32..])})
        } else {
            json!(Jwk::from_encoding_key(&private, method.parse().unwrap()).unwrap())
        };
        std::fs::write(&set, json!({"keys": [jwk]}).to_string()).unwrap();
        let published = Auth { jwks: set.to_str().unwrap().to_owned(), ..Auth::default() };
        let published = Tokens::new(&published).unwrap();
        assert_eq!(published.check(&token).await.unwrap().user, Some("ada".to_owned()), "{method}");
        let tokens = Tokens::new(&auth(method, &public)).unwrap();
        assert_eq!(tokens.check(&token).await.unwrap().user, Some("ada".to_owned()), "{method}");
        // A public key is known to attackers, so it must not be accepted as an HMAC secret.
        let forged = EncodingKey::from_secret(public.as_bytes());
        let forged = encode(&Header::new(Algorithm::HS256), &claims, &forged).unwrap();
        assert_eq!(tokens.check(&forged).await, None, "{method}");
        assert_eq!(published.check(&forged).await, None, "{method}");
    }
}

#[test]
fn sets_without_a_usable_key_are_refused() {
    for (set, wrong) in [
        ("{}", "auth.jwks: not a JSON Web Key Set: missing field `keys`"),
        (r#"{"keys": []}"#, "auth.jwks: no signature key"),
        (r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#, "auth.jwks: no signature key"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), set).unwrap();
        let auth = Auth { jwks: file.path().to_str().unwrap().to_owned(), ..Auth::default() };
        let error = Tokens::new(&auth).err().unwrap().to_string();
        assert!(error.starts_with(wrong), "{error}");
    }
    let error = Tokens::new(&Auth { jwks: "/nonexistent".to_owned(), ..Auth::default() }).err().unwrap();
    assert!(error.to_string().starts_with("auth.jwks: cannot be read"));
}

#[tokio::test]
async fn only_own_session_tokens_are_accepted() {
    let tokens = |secret: &str, session_ms| {
        Tokens::new(&Auth { session_secret: secret.into(), session_ms, ..Auth::default() }).unwrap()
    };
    let tokens_of_gateway = tokens(SECRET, 1_000_000);
    let session = tokens_of_gateway.acquire(Some("ada".to_owned())).unwrap();
    let token = session.token.clone();
    let identity = tokens_of_gateway.check(&token).await.unwrap();
    assert_eq!((identity.user.as_deref(), identity.until), (Some("ada"), session.until));
    assert!(identity.session.is_some() && identity.issued.is_some());
    assert_ne!(
        tokens_of_gateway.acquire(None).unwrap().token,
        tokens_of_gateway.acquire(None).unwrap().token
    );
    assert_eq!(
        tokens_of_gateway.check(&tokens_of_gateway.acquire(None).unwrap().token).await.unwrap().user,
        None
    );
    assert_eq!(tokens("another secret", 1000).check(&token).await, None);
    let over = tokens(SECRET, 0).acquire(None).unwrap().token;
    assert_eq!(tokens_of_gateway.check(&over).await, None);
    for user in [String::new(), "x".repeat(MAX_NAME_LEN + 1)] {
        assert!(matches!(tokens_of_gateway.acquire(Some(user)), Err(SessionError::User)));
    }
    assert!(matches!(Tokens::new(&Auth::default()).unwrap().acquire(None), Err(SessionError::Off)));
    assert!(!format!("{session:?}").contains(&session.token));
    assert!(!format!("{tokens_of_gateway:?}").contains(SECRET));
}

/// Another node tells the time of a revocation. A far one would refuse all tokens of the user, and be remembered, for ever.
#[test]
fn the_time_of_a_revocation_is_limited() {
    let tokens = Tokens::new(&Auth::default()).unwrap();
    let before = now();
    assert!(tokens.revoke("ada", u64::MAX).unwrap() && tokens.revoke("bob", before + 200).unwrap());
    let after = now();
    let is_revoked = |user: &str, issued| tokens.revoked.is_revoked(user, Some(issued));
    assert!(is_revoked("ada", before + MAX_CLOCK_DIFFERENCE));
    assert!(!is_revoked("ada", after + MAX_CLOCK_DIFFERENCE + 1));
    assert!(is_revoked("bob", before + 200) && !is_revoked("bob", before + 201));
}

#[test]
fn the_expiry_of_a_session_is_rfc_3339() {
    let session = |until| SessionToken { token: String::new(), user: None, until }.expires_at();
    assert_eq!(session(0), "1970-01-01T00:00:00Z");
    assert_eq!(session(u64::MAX), "9999-12-31T23:59:59Z");
}
