//! The keys of others, as they publish them: a JSON Web Key Set at an URL or in a file.
//!
//! A key that is not known is asked for, but not more often than `auth.jwks_interval_ms` says, however many tokens name
//! one; and all are read again when they are older than `auth.jwks_age_ms`, so that one that was withdrawn is forgotten.
//! While they cannot be read, those that are known stay good.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;
use serde_json::Value;
use socketio_server::Object;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::web::{self, WebClient};

/// The largest set.
const MAX_BYTES: usize = 1_000_000;
/// So many keys of a set are looked at.
const MAX_KEYS: usize = 100;
/// A token is tried with so many keys: one that names no key could be of any, and each costs a check of its signature.
const MAX_TRIED: usize = 4;
/// How long reading may take. Who needs a key that is not known waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What RSA keys are for that do not say it.
const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// The keys of others.
#[derive(Debug)]
pub(crate) struct Jwks {
    source: Source,
    keys: RwLock<Known>,
    /// When they were last asked for. Who holds it reads them.
    asked: Mutex<Option<Instant>>,
    interval: Duration,
    age: Duration,
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Url(Box<WebClient>, Uri),
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<[Key]>,
    since: Option<Instant>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    methods: Vec<Algorithm>,
    key: DecodingKey,
}

/// Why there are no keys.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JwksError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is no set of keys.
    #[error("it is no JSON Web Key Set: {0}")]
    Json(#[from] serde_json::Error),
    /// There is no key in it that could sign tokens.
    #[error("there is no key for signatures of RSA, ECDSA (P-256, P-384) or Ed25519 in it")]
    Empty,
    /// The server did not give it.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// The server cannot be reached, or broke off.
    #[error("the server cannot be reached")]
    Unreachable,
    /// The server did not answer in time.
    #[error("the server did not answer in time")]
    TimedOut,
}

impl Jwks {
    /// Keys at an `http` or `https` URL, which are asked for when they are needed, or those of a file, which have to be
    /// there now.
    pub(crate) fn new(place: &str, interval: Duration, age: Duration) -> Result<Self, JwksError> {
        let (source, known) = match web::address(place) {
            Some(uri) => (Source::Url(Box::new(web::client(1)?), uri), Known::default()),
            None => (Source::File(place.into()), Known::new(&std::fs::read(place)?)?),
        };
        Ok(Self { source, keys: RwLock::new(known), asked: Mutex::default(), interval, age })
    }

    /// The keys of a document. They are not asked for again.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn of_document(document: &[u8]) -> Result<Self, JwksError> {
        let asked = Mutex::new(Some(Instant::now()));
        let keys = RwLock::new(Known::new(document)?);
        let source = Source::File(PathBuf::new());
        Ok(Self { source, keys, asked, interval: Duration::MAX, age: Duration::MAX })
    }

    /// The keys that may have signed a token with this header, after they were asked for if need be.
    pub(crate) async fn find(self: &Arc<Self>, header: &Header) -> Vec<DecodingKey> {
        let known = self.known();
        let found = known.find(header);
        if found.is_empty() {
            self.renew(known.since).await;
            return self.known().find(header);
        }
        if known.since.is_none_or(|since| since.elapsed() > self.age) {
            let renewing = Arc::clone(self);
            // Nobody waits for it: the keys are good until we know better.
            tokio::spawn(async move { renewing.renew(known.since).await });
        }
        found
    }

    /// Reads the keys again, unless somebody has since, or it is too early.
    async fn renew(&self, seen: Option<Instant>) {
        let mut asked = self.asked.lock().await;
        let is_early = asked.is_some_and(|asked| asked.elapsed() < self.interval);
        if is_early || self.known().since != seen {
            return;
        }
        *asked = Some(Instant::now());
        match self.read().await {
            Ok(known) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = known,
            Err(error) => tracing::warn!(%error, "auth.jwks: the keys stay as they are"),
        }
    }

    async fn read(&self) -> Result<Known, JwksError> {
        let text = match &self.source {
            Source::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
                Bytes::from(read.map_err(std::io::Error::other)??)
            }
            Source::Url(client, uri) => {
                tokio::time::timeout(TIMEOUT, fetch(client, uri)).await.unwrap_or(Err(JwksError::TimedOut))?
            }
        };
        Known::new(&text)
    }

    fn known(&self) -> Known {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn fetch(client: &WebClient, uri: &Uri) -> Result<Bytes, JwksError> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = uri.clone();
    let response = client.request(request).await.map_err(|_| JwksError::Unreachable)?;
    if response.status() != StatusCode::OK {
        return Err(JwksError::Status(response.status()));
    }
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
    Ok(body.map_err(|_| JwksError::Unreachable)?.to_bytes())
}

impl Known {
    fn new(text: &[u8]) -> Result<Self, JwksError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let Object(set): Object<Set> = serde_json::from_slice(text)?;
        // A set may have keys of kinds that nobody has thought of yet; they are not for us.
        let keys = set
            .keys
            .into_iter()
            .take(MAX_KEYS)
            .filter_map(|key| Key::new(&serde_json::from_value(key).ok()?));
        let keys: Arc<[Key]> = keys.collect();
        if keys.is_empty() {
            return Err(JwksError::Empty);
        }
        Ok(Self { keys, since: Some(Instant::now()) })
    }

    fn find(&self, header: &Header) -> Vec<DecodingKey> {
        let is_meant =
            |key: &&Key| key.methods.contains(&header.alg) && (header.kid.is_none() || header.kid == key.id);
        self.keys.iter().filter(is_meant).take(MAX_TRIED).map(|key| key.key.clone()).collect()
    }
}

/// Public keys are no secret, but nobody needs them in a log.
impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|key| &key.id).collect();
        f.debug_struct("Known").field("ids", &ids).field("since", &self.since).finish()
    }
}

impl Key {
    fn new(jwk: &Jwk) -> Option<Self> {
        if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
            return None;
        }
        let possible = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => RSA.to_vec(),
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
            // A secret that everybody can read proves nothing.
            AlgorithmParameters::OctetKey(_) => return None,
        };
        let methods = match &jwk.common.key_algorithm {
            None => possible,
            Some(named) => {
                let named = Algorithm::from_str(&named.to_string()).ok()?;
                possible.into_iter().filter(|method| *method == named).collect()
            }
        };
        if methods.is_empty() {
            return None;
        }
        Some(Self { id: jwk.common.key_id.clone(), methods, key: DecodingKey::from_jwk(jwk).ok()? })
    }
}
