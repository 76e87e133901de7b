//! Tokens: what proves who a client is. JWTs of others, whose key is in the configuration, and our own for sessions.

mod mint;

use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

pub(crate) use self::mint::Mint;
use crate::config::Auth;
use crate::person::is_user;

/// How far the clocks of those who sign may be off, in seconds.
const LEEWAY: u64 = 60;
/// The last second of the last year that is written with four digits.
const LAST: u64 = 253_402_300_799;

/// Why tokens cannot be checked as the configuration says.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is no such method.
    #[error("auth.jwt_method: there is no method {0}")]
    Method(String),
    /// The key does not go with the method.
    #[error("auth.jwt_key: {0}")]
    Key(jsonwebtoken::errors::Error),
}

/// Why there is no new session.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The settings have no secret for them.
    #[error("there are no sessions here without auth.session_secret")]
    Off,
    /// Nobody can be called that.
    #[error("the name of a user has 1 to 256 bytes")]
    User,
    /// The system gives none.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The secret cannot be used.
    #[error("the token cannot be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// A session that was given out.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// What proves it; a secret.
    pub token: String,
    /// Whose it is; `None`: nobody's in particular.
    pub user: Option<String>,
    /// When it ends, in seconds since 1970.
    pub until: u64,
}

impl Session {
    /// When it ends, as it is written for people and programs.
    pub fn expires_at(&self) -> String {
        let end = UNIX_EPOCH + Duration::from_secs(self.until.min(LAST));
        humantime::format_rfc3339_seconds(end).to_string()
    }
}

/// The token stays where it is.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("user", &self.user)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user's name; none for somebody of whom nothing else is known.
    pub(crate) user: Option<String>,
    /// Until when, in seconds since 1970.
    pub(crate) until: u64,
}

/// What a session's token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// No two sessions have the same.
    sid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    exp: u64,
}

impl Claims {
    fn new(user: Option<String>, exp: u64) -> Result<Self, SessionError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self { sid: format!("{:032x}", u128::from_le_bytes(bytes)), user, exp })
    }

    fn sign(&self, key: &EncodingKey) -> Result<String, SessionError> {
        Ok(encode(&Header::new(Algorithm::HS256), self, key)?)
    }
}

/// Checks tokens, and makes those of sessions. The keys can be changed at any time.
pub(crate) struct Tokens(RwLock<Arc<Keys>>);

/// What tokens are checked with.
pub(crate) struct Keys {
    jwt: Option<Jwt>,
    sessions: Option<Sessions>,
}

struct Jwt {
    key: DecodingKey,
    validation: Validation,
    user_claim: String,
}

struct Sessions {
    signs: EncodingKey,
    checks: DecodingKey,
    seconds: u64,
}

impl Keys {
    pub(crate) fn new(auth: &Auth) -> Result<Self, TokenError> {
        let jwt = if auth.jwt_key.is_empty() { None } else { Some(Jwt::new(auth)?) };
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
        Ok(Self(RwLock::new(Arc::new(Keys::new(auth)?))))
    }

    /// From now on these keys are good, and no others. Who is in stays in.
    pub(crate) fn replace(&self, keys: Keys) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Whether any token could be good.
    pub(crate) fn are_taken(&self) -> bool {
        let keys = self.keys();
        keys.jwt.is_some() || keys.sessions.is_some()
    }

    /// Who brings this token, if it is a good one.
    pub(crate) fn check(&self, token: &str) -> Option<Identity> {
        let keys = self.keys();
        let session = keys.sessions.as_ref().and_then(|sessions| sessions.check(token));
        session.or_else(|| keys.jwt.as_ref()?.check(token))
    }

    /// Why a token that is no good is none, for operators: clients are not told what was nearly right.
    pub(crate) fn doubt(&self, token: &str) -> String {
        let keys = self.keys();
        let session = keys.sessions.as_ref().and_then(|sessions| sessions.read(token).err());
        let jwt = keys.jwt.as_ref().and_then(|jwt| jwt.read(token).err());
        match (session, jwt) {
            _ if !self.are_taken() => "there is neither auth.jwt_key nor auth.session_secret".to_owned(),
            (None, None) => "it names no user that could be one, or its time is over".to_owned(),
            (Some(error), None) => format!("as the token of a session: {error}"),
            (None, Some(error)) => format!("as a JWT: {error}"),
            (Some(session), Some(jwt)) => format!("as a JWT: {jwt}; as the token of a session: {session}"),
        }
    }

    /// A new session.
    pub(crate) fn acquire(&self, user: Option<String>) -> Result<Session, SessionError> {
        if user.as_ref().is_some_and(|user| !is_user(user)) {
            return Err(SessionError::User);
        }
        self.keys().sessions.as_ref().ok_or(SessionError::Off)?.acquire(user)
    }

    /// Changes are whole, so a panic elsewhere is no reason to stop.
    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The keys stay where they are.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("are_taken", &self.are_taken()).finish_non_exhaustive()
    }
}

impl Jwt {
    fn new(auth: &Auth) -> Result<Self, TokenError> {
        let method =
            Algorithm::from_str(&auth.jwt_method).map_err(|_| TokenError::Method(auth.jwt_method.clone()))?;
        let key = auth.jwt_key.expose().as_bytes();
        let key = match method {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => Ok(DecodingKey::from_secret(key)),
            Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(key),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(key),
            _ => DecodingKey::from_rsa_pem(key),
        };
        // Only this one method: a token does not choose how it is checked. It has to say when it ends.
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
        Ok(Self { key: key.map_err(TokenError::Key)?, validation, user_claim: auth.user_claim.clone() })
    }

    fn read(&self, token: &str) -> Result<Map<String, Value>, jsonwebtoken::errors::Error> {
        Ok(decode::<Map<String, Value>>(token, &self.key, &self.validation)?.claims)
    }

    fn check(&self, token: &str) -> Option<Identity> {
        let claims = self.read(token).ok()?;
        let user = match claims.get(&self.user_claim) {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(_) => return None,
        };
        if user.as_ref().is_some_and(|name| !is_user(name)) {
            return None;
        }
        // What is behind the point does not matter, nor what no calendar has.
        let end = claims.get("exp")?;
        let end = end.as_u64().or_else(|| end.as_f64().map(|end| end as u64))?;
        Some(Identity { user, until: end.saturating_add(LEEWAY) })
    }
}

impl Sessions {
    fn acquire(&self, user: Option<String>) -> Result<Session, SessionError> {
        let until = now().saturating_add(self.seconds);
        let token = Claims::new(user.clone(), until)?.sign(&self.signs)?;
        Ok(Session { token, user, until })
    }

    fn read(&self, token: &str) -> Result<Claims, jsonwebtoken::errors::Error> {
        let mut validation = Validation::new(Algorithm::HS256);
        // The clock that set the end is ours.
        validation.leeway = 0;
        Ok(decode::<Claims>(token, &self.checks, &validation)?.claims)
    }

    fn check(&self, token: &str) -> Option<Identity> {
        let claims = self.read(token).ok()?;
        (claims.exp > now()).then_some(Identity { user: claims.user, until: claims.exp })
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests;
