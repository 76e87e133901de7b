//! JWTs that authenticate users.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Map, Value};

/// Minimum secret length: with a token at hand, a shorter secret can be found by brute force.
const MIN_SECRET: usize = 16;

/// The claims of a token.
pub type Claims = Map<String, Value>;

/// Invalid key or signature method.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenConfigError {
    /// The method does not exist.
    #[error("jwt_method: there is no method {0}")]
    Method(String),
    /// The key does not match the method.
    #[error("jwt_key: {0}")]
    Key(#[from] jsonwebtoken::errors::Error),
    /// The key is empty, so that any client could sign tokens.
    #[error("jwt_key: the key is empty")]
    Empty,
    /// The secret is short enough for brute force.
    #[error("jwt_key: a secret of at least 16 bytes is expected, such as `openssl rand -hex 32` prints")]
    Short,
}

/// Verifies tokens.
pub(crate) struct Tokens {
    key: DecodingKey,
    validation: Validation,
}

impl Tokens {
    /// Returns `None` if no key is configured.
    pub(crate) fn new(key: Option<&str>, method: &str) -> Result<Option<Self>, TokenConfigError> {
        let Some(key) = key else {
            return Ok(None);
        };
        if key.is_empty() {
            return Err(TokenConfigError::Empty);
        }
        let method = Algorithm::from_str(method).map_err(|_| TokenConfigError::Method(method.to_owned()))?;
        let key = match method {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                if key.len() < MIN_SECRET {
                    return Err(TokenConfigError::Short);
                }
                DecodingKey::from_secret(key.as_bytes())
            }
            Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(key.as_bytes())?,
            Algorithm::EdDSA => DecodingKey::from_ed_pem(key.as_bytes())?,
            _ => DecodingKey::from_rsa_pem(key.as_bytes())?,
        };
        // Only this one method: a token must not choose its verification. `nbf` and `exp` are enforced if
        // present; the audience is unknown to this channel and not checked.
        let mut validation = Validation::new(method);
        validation.required_spec_claims.clear();
        // No leeway, so that the expiry at the handshake equals the later checks: an accepted client may send
        // a message.
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        Ok(Some(Self { key, validation }))
    }

    /// The claims of a token, if it is valid. The prefix `Bearer` is allowed.
    pub(crate) fn check(&self, token: &str) -> Option<Claims> {
        let token = match token.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer ") => rest.trim(),
            _ => token,
        };
        decode::<Claims>(token, &self.key, &self.validation).ok().map(|token| token.claims)
    }
}

/// Whether the claims of a verified token have expired.
pub(crate) fn is_expired(claims: &Claims) -> bool {
    until_expiry(claims).is_some_and(|left| left.is_zero())
}

/// Time until the claims expire; `None` if they do not, or not in this age.
pub(crate) fn until_expiry(claims: &Claims) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let end = claims.get("exp").and_then(Value::as_f64)?;
    Duration::try_from_secs_f64((end - now).max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const SECRET: &str = "sixteen unguessable";

    fn tokens(key: &str, method: &str) -> Result<Option<Tokens>, TokenConfigError> {
        Tokens::new(Some(key), method)
    }

    fn sign(method: Algorithm, key: &str, claims: &Value) -> String {
        encode(&Header::new(method), claims, &EncodingKey::from_secret(key.as_bytes())).unwrap()
    }

    #[test]
    fn only_valid_tokens_are_accepted() {
        let tokens = tokens(SECRET, "HS256").unwrap().unwrap();
        let year_3000 = 32_503_680_000u64;
        let good = sign(Algorithm::HS256, SECRET, &json!({ "sub": "ada", "exp": year_3000, "aud": "x" }));
        assert_eq!(tokens.check(&good).unwrap()["sub"], "ada");
        assert!(tokens.check(&format!("Bearer {good}")).is_some());
        assert!(tokens.check(&sign(Algorithm::HS256, SECRET, &json!({}))).is_some());
        let none = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
        let just_now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - 5;
        let bad = [
            sign(Algorithm::HS256, "guess", &json!({ "sub": "ada" })),
            sign(Algorithm::HS512, SECRET, &json!({ "sub": "ada" })),
            sign(Algorithm::HS256, SECRET, &json!({ "exp": 1_000_000_000 })),
            sign(Algorithm::HS256, SECRET, &json!({ "exp": just_now })),
            sign(Algorithm::HS256, SECRET, &json!({ "nbf": year_3000 })),
            none,
            String::new(),
            "é".repeat(9),
        ];
        for token in bad {
            assert!(tokens.check(&token).is_none(), "{token}");
        }
    }

    #[test]
    fn keys_are_valid_for_their_algorithm_only() {
        assert!(Tokens::new(None, "HS256").unwrap().is_none());
        assert!(matches!(tokens("", "HS256"), Err(TokenConfigError::Empty)));
        for method in ["HS256", "HS384", "HS512"] {
            assert!(matches!(tokens("fifteen bytes..", method), Err(TokenConfigError::Short)), "{method}");
        }
        assert!(matches!(tokens("x", "none"), Err(TokenConfigError::Method(_))));
        for method in ["RS256", "ES256", "EdDSA"] {
            assert!(matches!(tokens("not a PEM", method), Err(TokenConfigError::Key(_))), "{method}");
        }
    }

    #[test]
    fn expired_tokens_are_refused() {
        let claims = |end: Value| json!({ "exp": end }).as_object().unwrap().clone();
        assert!(is_expired(&claims(json!(1_000_000_000))));
        assert!(!is_expired(&claims(json!(32_503_680_000u64))) && !is_expired(&Claims::new()));
    }
}
