//! Fuzz target for tokens: only tokens that were signed with a configured key may be accepted.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::run;
use crate::auth::tokens::{Tokens, now};
use crate::config::Auth;

/// Key that signs JWTs, by HS256.
const JWT_KEY: &str = "the key that signs the JWTs";
/// Secret that signs session tokens.
const SESSION_SECRET: &str = "the secret of the sessions";
/// Key that is not configured.
const WRONG_KEY: &str = "a key that the gateway does not have";

/// Tolerated clock skew, in seconds.
const LEEWAY: u64 = 60;

/// Checks an arbitrary token, a token that is signed as the first byte selects, or a key set with a token.
pub fn token(data: &[u8]) {
    let [choice, rest @ ..] = data else { return };
    run(async {
        match choice % 3 {
            0 => check_token(rest).await,
            1 => check_signed(choice / 3, rest).await,
            _ => check_key_set(rest).await,
        }
    });
}

fn tokens() -> Tokens {
    let metadata_claims = vec!["role".to_owned()];
    let (jwt_key, session_secret) = (JWT_KEY.into(), SESSION_SECRET.into());
    Tokens::new(&Auth { jwt_key, session_secret, metadata_claims, ..Auth::default() })
        .expect("the keys are good")
}

/// Asserts that an arbitrary token is rejected.
async fn check_token(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let tokens = tokens();
    if tokens.check(text).await.is_some() {
        let is_signed = [JWT_KEY, SESSION_SECRET].iter().any(|key| is_signed(text, key));
        assert!(is_signed, "accepted a token without a valid signature");
    } else {
        assert!(!tokens.rejection_reason(text).await.is_empty());
    }
}

fn is_signed(token: &str, key: &str) -> bool {
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    BASE64.decode(signature).is_ok_and(|signature| hmac::verify(&key, signed.as_bytes(), &signature).is_ok())
}

/// Fields of a header that matter here. Other fields may contain any bytes, even invalid UTF-8.
#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
}

/// Claims of a session token that matter here.
#[derive(Deserialize)]
struct SessionClaims {
    sid: String,
    user: Option<String>,
}

/// Signs an arbitrary header and claims. It asserts that the token is accepted only with the configured
/// algorithm and key and within its lifetime, and that the identity is that of its claims.
async fn check_signed(choice: u8, parts: &[u8]) {
    let mut parts = parts.split(|byte| *byte == 0);
    let (Some(header), Some(claims)) = (parts.next(), parts.next()) else { return };
    let method = [hmac::HMAC_SHA256, hmac::HMAC_SHA384, hmac::HMAC_SHA512][usize::from(choice % 3)];
    let key = [JWT_KEY, SESSION_SECRET, WRONG_KEY][usize::from(choice / 3 % 3)];
    let token = sign(header, claims, method, key.as_bytes());
    let Some(identity) = tokens().check(&token).await else { return };
    assert!(method == hmac::HMAC_SHA256 && key != WRONG_KEY, "another key or method");
    let JoseHeader { alg } = serde_json::from_slice(header).expect("the header was read");
    assert_eq!(alg, "HS256");
    assert!(identity.until >= now(), "its time is over");
    if key == SESSION_SECRET {
        let SessionClaims { sid, user } = serde_json::from_slice(claims).expect("the claims were read");
        assert_eq!((identity.session, identity.user), (Some(sid), user));
        assert!(identity.metadata.is_empty());
        return;
    }
    let claims: Map<String, Value> = serde_json::from_slice(claims).expect("the claims were read");
    assert_eq!(identity.session, None);
    let user = match claims.get("sub") {
        Some(Value::String(name)) => Some(name.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    assert_eq!(identity.user, user);
    assert!(identity.metadata.iter().all(|(name, value)| name == "role" && claims["role"] == *value));
    if let Some(begin) = claims.get("nbf").and_then(Value::as_u64) {
        assert!(begin <= now() + LEEWAY, "its time has not come");
    }
}

fn sign(header: &[u8], claims: &[u8], method: hmac::Algorithm, key: &[u8]) -> String {
    let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(method, key), signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(signature))
}

/// Checks a key set, and a token after a zero byte. It asserts that a token which can be derived from public
/// data is rejected.
async fn check_key_set(parts: &[u8]) {
    let mut parts = parts.split(|byte| *byte == 0);
    let document = parts.next().unwrap_or_default();
    let Ok(tokens) = Tokens::of_key_set(document) else { return };
    let document_tree: Value = serde_json::from_slice(document).expect("a document with keys is JSON");
    let claims = json!({"sub": "mallory", "exp": now() + 1000}).to_string();
    let keys: Vec<&Value> = document_tree["keys"].as_array().into_iter().flatten().collect();
    for key in keys.iter().take(3) {
        for method in ["HS256", "none", "EdDSA"] {
            let header = json!({"alg": method, "kid": key["kid"]}).to_string();
            let bare = json!({"alg": method}).to_string();
            for secret in secrets(document, key) {
                for header in [&header, &bare] {
                    let token = sign(header.as_bytes(), claims.as_bytes(), hmac::HMAC_SHA256, &secret);
                    assert!(tokens.check(&token).await.is_none(), "a public key is no secret");
                }
            }
            let unsigned = format!("{}.{}.", BASE64.encode(&bare), BASE64.encode(&claims));
            assert!(tokens.check(&unsigned).await.is_none(), "accepted a token without a valid signature");
        }
    }
    let Some(Ok(token)) = parts.next().map(std::str::from_utf8) else { return };
    if tokens.check(token).await.is_some() {
        assert!(keys.iter().any(|key| verifies(key, token)), "no key of the document signed this token");
    }
}

/// Secrets that an attacker can derive from the public key set.
fn secrets(document: &[u8], key: &Value) -> Vec<Vec<u8>> {
    let texts = ["n", "x", "y", "k"].iter().filter_map(|name| key[*name].as_str());
    let written = texts.flat_map(|text| [Some(text.as_bytes().to_vec()), BASE64.decode(text).ok()]);
    [document.to_vec(), Vec::new()].into_iter().chain(written.flatten()).collect()
}

/// Whether this key signed the token. The check is independent of the code under test.
fn verifies(key: &Value, token: &str) -> bool {
    let bytes = |name: &str| key[name].as_str().and_then(|text| BASE64.decode(text).ok()).unwrap_or_default();
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let Ok(signature) = BASE64.decode(signature) else { return false };
    let header = signed.split('.').next().and_then(|header| BASE64.decode(header).ok()).unwrap_or_default();
    let header: Value = serde_json::from_slice(&header).unwrap_or_default();
    let signed = signed.as_bytes();
    match header["alg"].as_str() {
        Some("EdDSA") => UnparsedPublicKey::new(&ED25519, bytes("x")).verify(signed, &signature).is_ok(),
        Some("ES256") => {
            let point = [vec![4], bytes("x"), bytes("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, &signature).is_ok()
        }
        Some("RS256") => {
            let public = RsaPublicKeyComponents { n: bytes("n"), e: bytes("e") };
            public.verify(&RSA_PKCS1_2048_8192_SHA256, signed, &signature).is_ok()
        }
        _ => false,
    }
}
