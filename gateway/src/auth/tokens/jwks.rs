//! JSON Web Key Set of another issuer, at a URL or in a file.
//!
//! An unknown key id causes a fetch, at most once per `auth.jwks_interval_ms` however many tokens name one.
//! The whole set is fetched again when it is older than `auth.jwks_age_ms`, so that withdrawn keys are
//! dropped. While fetches fail, the known keys stay valid.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engineio::sync::RwLock;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;
use serde_json::Value;
use socketio_server::Object;
use thiserror::Error;
use tokio::sync::Mutex;

use crate::http_client::{self, HttpClient};

/// Limit of the size of a key set, in bytes.
const MAX_BYTES: usize = 1_000_000;
/// Limit of the keys of a set that are read.
const MAX_KEYS: usize = 100;
/// Limit of the keys that one token is tried with. A token without a key id could belong to any key, and each
/// try costs a signature verification.
const MAX_TRIED: usize = 4;
/// Timeout of a fetch. A client whose token needs an unknown key waits for it.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Algorithms of RSA keys that do not name one.
const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// Cached key set of another issuer.
#[derive(Debug)]
pub(crate) struct Jwks {
    source: Source,
    keys: RwLock<KeySet>,
    /// Time of the last fetch. The lock is held during a fetch, so that only one runs at a time.
    last_fetch: Mutex<Option<Instant>>,
    interval: Duration,
    age: Duration,
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Url(Box<HttpClient>, Uri),
}

#[derive(Clone, Default)]
struct KeySet {
    keys: Arc<[Key]>,
    since: Option<Instant>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    methods: Vec<Algorithm>,
    key: DecodingKey,
}

/// Error of loading a key set.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JwksError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The document is not a key set.
    #[error("not a JSON Web Key Set: {0}")]
    Json(#[from] serde_json::Error),
    /// The document contains no key that could sign tokens.
    #[error("no signature key of RSA, ECDSA (P-256, P-384) or Ed25519")]
    Empty,
    /// The server answered with a status other than 200.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// The server is unreachable, or its response cannot be read.
    #[error("the server cannot be reached")]
    Unreachable,
    /// The server did not answer in time.
    #[error("the server did not answer in time")]
    TimedOut,
}

impl Jwks {
    /// Creates a key set for an `http` or `https` URL, which is fetched on demand, or for a file, which is
    /// read now and must exist.
    pub(crate) fn new(location: &str, interval: Duration, age: Duration) -> Result<Self, JwksError> {
        let (source, known) = match http_client::address(location) {
            Some(uri) => (Source::Url(Box::new(http_client::client(1)?), uri), KeySet::default()),
            None => (Source::File(location.into()), KeySet::new(&std::fs::read(location)?)?),
        };
        Ok(Self { source, keys: RwLock::new(known), last_fetch: Mutex::default(), interval, age })
    }

    /// Creates a key set from a document. It is never fetched again.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn of_document(document: &[u8]) -> Result<Self, JwksError> {
        let last_fetch = Mutex::new(Some(Instant::now()));
        let keys = RwLock::new(KeySet::new(document)?);
        let source = Source::File(PathBuf::new());
        Ok(Self { source, keys, last_fetch, interval: Duration::MAX, age: Duration::MAX })
    }

    /// Keys that may have signed a token with this header. Fetches the set first if necessary.
    pub(crate) async fn find(self: &Arc<Self>, header: &Header) -> Vec<DecodingKey> {
        let known = self.known();
        let found = known.find(header);
        if found.is_empty() {
            self.refresh(known.since).await;
            return self.known().find(header);
        }
        if known.since.is_none_or(|since| since.elapsed() > self.age) {
            let refreshing = Arc::clone(self);
            // The refresh runs in the background: the known keys stay valid until it has finished.
            tokio::spawn(async move { refreshing.refresh(known.since).await });
        }
        found
    }

    /// Fetches the set, unless another task has done so since `seen`, or the minimum interval has not passed.
    async fn refresh(&self, seen: Option<Instant>) {
        let mut last_fetch = self.last_fetch.lock().await;
        let is_early = last_fetch.is_some_and(|last_fetch| last_fetch.elapsed() < self.interval);
        if is_early || self.known().since != seen {
            return;
        }
        *last_fetch = Some(Instant::now());
        match self.read().await {
            Ok(known) => *self.keys.write() = known,
            Err(error) => tracing::warn!(%error, "auth.jwks: refresh failed, the known keys stay valid"),
        }
    }

    async fn read(&self) -> Result<KeySet, JwksError> {
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
        KeySet::new(&text)
    }

    fn known(&self) -> KeySet {
        self.keys.read().clone()
    }
}

async fn fetch(client: &HttpClient, uri: &Uri) -> Result<Bytes, JwksError> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = uri.clone();
    let response = client.request(request).await.map_err(|_| JwksError::Unreachable)?;
    if response.status() != StatusCode::OK {
        return Err(JwksError::Status(response.status()));
    }
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
    Ok(body.map_err(|_| JwksError::Unreachable)?.to_bytes())
}

impl KeySet {
    fn new(text: &[u8]) -> Result<Self, JwksError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let Object(set): Object<Set> = serde_json::from_slice(text)?;
        // Keys of unknown kinds are skipped: a set may contain kinds that were defined later.
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

/// `Debug` without the keys. They are public, but of no use in a log.
impl std::fmt::Debug for KeySet {
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
            // A symmetric key in a published set is not a secret, so it proves nothing.
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
