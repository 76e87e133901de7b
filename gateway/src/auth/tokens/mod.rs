//! Tokens that authenticate clients: JWTs of other issuers, whose keys are in the configuration, and session
//! tokens of the gateway.

mod cause;
mod jwks;
mod session_token;
mod signer;

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engineio::sync::RwLock;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::watch;

use self::cause::cause;
use self::jwks::Jwks;
pub use self::jwks::JwksError;
pub use self::session_token::SessionToken;
pub(crate) use self::signer::TokenSigner;
use crate::auth::revoked::{Revocations, TooMany};
use crate::auth::user::is_valid_name;
use crate::config::Auth;

/// Tolerated clock skew of the issuers, in seconds.
const LEEWAY: u64 = 60;
/// Limit of the difference of the clocks of two nodes, in seconds.
const MAX_CLOCK_DIFFERENCE: u64 = 300;
/// Wait of a client with a token for the revocations of other nodes, after the start of this one.
const REVOCATIONS_TIMEOUT: Duration = Duration::from_secs(2);
/// End of the year 9999, the last second that RFC 3339 can express, in seconds since 1970.
const MAX_DATE: u64 = 253_402_300_799;

/// Error in the settings of token authentication.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The algorithm is unknown.
    #[error("auth.jwt_method: unknown algorithm {0}")]
    Method(String),
    /// The key does not fit the algorithm.
    #[error("auth.jwt_key: {0}")]
    Key(jsonwebtoken::errors::Error),
    /// The key set cannot be loaded.
    #[error("auth.jwks: {0}")]
    Jwks(#[from] JwksError),
}

/// Error of issuing a session token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The settings have no session secret.
    #[error("session tokens require auth.session_secret")]
    Off,
    /// The user's name is invalid.
    #[error("a user name of 1 to 256 bytes is expected")]
    User,
    /// The system has no random bytes.
    #[error("the system has no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// The secret cannot be used.
    #[error("the token cannot be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// Identity that a valid token gives to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's name; `None` if the client is anonymous.
    pub(crate) user: Option<String>,
    /// Expiry time, in seconds since 1970.
    pub(crate) until: u64,
    /// Time of issue, in seconds since 1970, if the token contains it.
    pub(crate) issued: Option<u64>,
    /// Id of the session, if it is a session token.
    pub(crate) session: Option<String>,
    /// Claims that become metadata of the client.
    pub(crate) metadata: Map<String, Value>,
}

/// Claims of a session token.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// Unique id of the session.
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    iat: Option<u64>,
    exp: u64,
}

impl Claims {
    fn new(user: Option<String>, exp: u64) -> Result<Self, SessionError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self { sid: format!("{:032x}", u128::from_le_bytes(bytes)), user, iat: Some(now()), exp })
    }

    fn sign(&self, key: &EncodingKey) -> Result<String, SessionError> {
        Ok(encode(&Header::new(Algorithm::HS256), self, key)?)
    }
}

/// Verifies tokens, and issues session tokens. The keys can be replaced at any time.
pub(crate) struct Tokens {
    keys: RwLock<Arc<Keys>>,
    revoked: Revocations,
    /// Whether the revocations of the other nodes of a cluster are known.
    is_informed: watch::Sender<bool>,
}

/// Keys that verify tokens.
pub(crate) struct Keys {
    jwt: Option<Jwt>,
    sessions: Option<Sessions>,
}

struct Jwt {
    /// Key of the settings, and the only algorithm that it is used with.
    fixed: Option<(Algorithm, DecodingKey)>,
    jwks: Option<Arc<Jwks>>,
    validation: Validation,
    user_claim: String,
    metadata_claims: Vec<String>,
}

struct Sessions {
    signs: EncodingKey,
    checks: DecodingKey,
    seconds: u64,
}

impl Keys {
    pub(crate) fn new(auth: &Auth) -> Result<Self, TokenError> {
        let has_keys = !auth.jwt_key.is_empty() || !auth.jwks.is_empty();
        let jwt = if has_keys { Some(Jwt::new(auth)?) } else { None };
        let secret = auth.session_secret.expose().as_bytes();
        let sessions = (!secret.is_empty()).then(|| Sessions {
            signs: EncodingKey::from_secret(secret),
            checks: DecodingKey::from_secret(secret),
            seconds: auth.session_ms.div_ceil(1000),
        });
        Ok(Self { jwt, sessions })
    }
}

impl Tokens {
    pub(crate) fn new(auth: &Auth) -> Result<Self, TokenError> {
        let revoked = Revocations::new(auth.revoked_ms.div_ceil(1000), auth.max_revoked);
        let is_informed = watch::Sender::new(true);
        Ok(Self { keys: RwLock::new(Arc::new(Keys::new(auth)?)), revoked, is_informed })
    }

    /// Tokens that are verified by this key set only.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn of_key_set(document: &[u8]) -> Result<Self, TokenError> {
        let jwks = Some(Arc::new(Jwks::of_document(document)?));
        let no_keys = Auth { jwt_key: Default::default(), jwks: String::new(), ..Auth::default() };
        let keys = Keys { jwt: Some(Jwt { jwks, ..Jwt::new(&no_keys)? }), sessions: None };
        let is_informed = watch::Sender::new(true);
        Ok(Self { keys: RwLock::new(Arc::new(keys)), revoked: Revocations::new(0, 0), is_informed })
    }

    /// Replaces all keys. Connected clients stay connected.
    pub(crate) fn replace(&self, keys: Keys) {
        *self.keys.write() = Arc::new(keys);
    }

    /// Whether any keys are configured, so that tokens are checked at all.
    pub(crate) fn are_accepted(&self) -> bool {
        let keys = self.keys();
        keys.jwt.is_some() || keys.sessions.is_some()
    }

    /// Identity of a valid token that has not been revoked.
    pub(crate) async fn check(&self, token: &str) -> Option<Identity> {
        let keys = self.keys();
        let session = keys.sessions.as_ref().and_then(|sessions| sessions.check(token));
        let identity = match session {
            Some(session) => session,
            None => keys.jwt.as_ref()?.check(token).await?,
        };
        (!self.is_revoked(&identity)).then_some(identity)
    }

    /// Revokes all tokens of a user that were issued up to `at`. Returns whether more tokens are revoked now. A time of
    /// another node is in the future by no more than its clock may differ.
    pub(crate) fn revoke(&self, user: &str, at: u64) -> Result<bool, TooMany> {
        let now = now();
        self.revoked.revoke(user, at.min(now + MAX_CLOCK_DIFFERENCE), now)
    }

    /// Sets whether the revocations of the other nodes of a cluster are known.
    pub(crate) fn set_informed(&self, is_informed: bool) {
        self.is_informed.send_if_modified(|current| std::mem::replace(current, is_informed) != is_informed);
    }

    /// Waits for some time until the revocations of the other nodes are known. Until then a token that was revoked
    /// cannot be told from a valid one.
    pub(crate) async fn are_informed(&self) -> bool {
        let mut is_informed = self.is_informed.subscribe();
        let informed = is_informed.wait_for(|is_informed| *is_informed);
        matches!(tokio::time::timeout(REVOCATIONS_TIMEOUT, informed).await, Ok(Ok(_)))
    }

    /// Whether a valid token has been revoked.
    pub(crate) fn is_revoked(&self, identity: &Identity) -> bool {
        let user = identity.user.as_deref();
        user.is_some_and(|user| self.revoked.is_revoked(user, identity.issued))
    }

    /// Reason for which a token is invalid. It is for operators only: a client must not learn how close a
    /// forged token was.
    pub(crate) async fn rejection_reason(&self, token: &str) -> String {
        let keys = self.keys();
        let session = keys.sessions.as_ref().and_then(|sessions| sessions.read(token).err());
        let jwt = match &keys.jwt {
            Some(jwt) => jwt.read(token).await.err(),
            None => None,
        };
        match (session, jwt) {
            _ if !self.are_accepted() => {
                "none of auth.jwt_key, auth.jwks and auth.session_secret is set".to_owned()
            }
            (None, None) => "the user name is invalid, or the token has expired".to_owned(),
            (Some(error), None) => format!("as a session token: {}", cause(&error)),
            (None, Some(error)) => format!("as a JWT: {}", cause(&error)),
            (Some(session), Some(jwt)) => {
                format!("as a JWT: {}; as a session token: {}", cause(&jwt), cause(&session))
            }
        }
    }

    /// Issues a session token.
    pub(crate) fn acquire(&self, user: Option<String>) -> Result<SessionToken, SessionError> {
        if user.as_ref().is_some_and(|user| !is_valid_name(user)) {
            return Err(SessionError::User);
        }
        self.keys().sessions.as_ref().ok_or(SessionError::Off)?.acquire(user)
    }

    /// Current keys. No change can be interrupted, so a poisoned lock is still consistent.
    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read())
    }
}

/// `Debug` without the keys.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("are_taken", &self.are_accepted()).finish_non_exhaustive()
    }
}

impl Jwt {
    fn new(auth: &Auth) -> Result<Self, TokenError> {
        let method =
            Algorithm::from_str(&auth.jwt_method).map_err(|_| TokenError::Method(auth.jwt_method.clone()))?;
        let fixed = match auth.jwt_key.expose().as_bytes() {
            [] => None,
            key => Some((method, fixed_key(method, key).map_err(TokenError::Key)?)),
        };
        let jwks = match auth.jwks.as_str() {
            "" => None,
            location => {
                let [interval, age] = [auth.jwks_interval_ms, auth.jwks_age_ms].map(Duration::from_millis);
                Some(Jwks::new(location, interval, age)?.into())
            }
        };
        // `verify` replaces the algorithm by that of the key it uses. `exp` is required by default.
        let mut validation = Validation::new(method);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.validate_aud = !auth.jwt_audience.is_empty();
        if validation.validate_aud {
            validation.set_audience(&[&auth.jwt_audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        if !auth.jwt_issuer.is_empty() {
            validation.set_issuer(&[&auth.jwt_issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        let (user_claim, metadata_claims) = (auth.user_claim.clone(), auth.metadata_claims.clone());
        Ok(Self { fixed, jwks, validation, user_claim, metadata_claims })
    }

    /// Claims of a token, if one of the keys signed it. Each key is used only with its own algorithms, so a
    /// token cannot choose how it is verified.
    async fn read(&self, token: &str) -> Result<Map<String, Value>, jsonwebtoken::errors::Error> {
        let header = decode_header(token)?;
        let mut failure = ErrorKind::InvalidAlgorithm.into();
        if let Some((_, key)) = self.fixed.as_ref().filter(|(method, _)| *method == header.alg) {
            match self.verify(token, key, header.alg) {
                Ok(claims) => return Ok(claims),
                Err(error) => failure = error,
            }
        }
        let keys = match &self.jwks {
            Some(jwks) => jwks.find(&header).await,
            None => Vec::new(),
        };
        for key in &keys {
            match self.verify(token, key, header.alg) {
                Ok(claims) => return Ok(claims),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn verify(
        &self,
        token: &str,
        key: &DecodingKey,
        method: Algorithm,
    ) -> Result<Map<String, Value>, jsonwebtoken::errors::Error> {
        let mut validation = self.validation.clone();
        validation.algorithms = vec![method];
        Ok(decode(token, key, &validation)?.claims)
    }

    async fn check(&self, token: &str) -> Option<Identity> {
        let mut claims = self.read(token).await.ok()?;
        let user = match claims.get(&self.user_claim) {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) => return None,
        };
        if user.as_ref().is_some_and(|name| !is_valid_name(name)) {
            return None;
        }
        // Fractions of a second are dropped, and values out of range saturate.
        let end = claims.get("exp")?;
        let end = end.as_u64().or_else(|| end.as_f64().map(|end| end as u64))?;
        let issued =
            claims.get("iat").and_then(|iat| iat.as_u64().or_else(|| iat.as_f64().map(|iat| iat as u64)));
        let metadata = self.metadata_claims.iter().filter_map(|name| claims.remove_entry(name)).collect();
        Some(Identity { user, until: end.saturating_add(LEEWAY), issued, session: None, metadata })
    }
}

fn fixed_key(method: Algorithm, key: &[u8]) -> Result<DecodingKey, jsonwebtoken::errors::Error> {
    match method {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => Ok(DecodingKey::from_secret(key)),
        Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(key),
        Algorithm::EdDSA => DecodingKey::from_ed_pem(key),
        _ => DecodingKey::from_rsa_pem(key),
    }
}

impl Sessions {
    fn acquire(&self, user: Option<String>) -> Result<SessionToken, SessionError> {
        let until = now().saturating_add(self.seconds);
        let token = Claims::new(user.clone(), until)?.sign(&self.signs)?;
        Ok(SessionToken { token, user, until })
    }

    fn read(&self, token: &str) -> Result<Claims, jsonwebtoken::errors::Error> {
        let mut validation = Validation::new(Algorithm::HS256);
        // The gateway's own clock set the expiry time, so there is no skew to tolerate.
        validation.leeway = 0;
        Ok(decode::<Claims>(token, &self.checks, &validation)?.claims)
    }

    fn check(&self, token: &str) -> Option<Identity> {
        let claims = self.read(token).ok()?;
        (claims.exp > now()).then(|| claims.into())
    }
}

impl From<Claims> for Identity {
    fn from(claims: Claims) -> Self {
        let Claims { sid, user, iat, exp } = claims;
        Self { user, until: exp, issued: iat, session: Some(sid), metadata: Map::new() }
    }
}

/// Seconds since 1970 as RFC 3339.
pub(crate) fn date(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.min(MAX_DATE))).to_string()
}

/// Current time, in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
