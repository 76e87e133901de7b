//! Authentication of operators: a user name and a bcrypt hash, and sessions, so that the page sends the password once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use thiserror::Error;
use tokio::sync::Semaphore;

/// Passwords that wait while another one is verified.
const MAX_WAITING: usize = 16;
/// Limit of the length of a password in bytes: bcrypt ignores what is behind it.
const MAX_PASSWORD: usize = 72;
/// Separates the message of a session from all others that a hash may ever authenticate.
const PURPOSE: &[u8] = b"socketio-admin session\0";

/// Error of the settings of the authentication.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The text is not a hash of bcrypt.
    #[error("a bcrypt hash is expected, such as $2b$10$…")]
    Hash,
}

/// The authentication of operators.
#[derive(Clone)]
pub struct Auth(Option<Arc<Basic>>);

struct Basic {
    username: String,
    /// The hash, which is also the key of the sessions: another password ends them.
    hash: String,
    /// One password is verified at a time, as that keeps a core busy for a tenth of a second.
    verifying: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Payload of CONNECT.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Credentials {
    session_id: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

/// Reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("invalid credentials")]
    Invalid,
    #[error("too many attempts, try again later")]
    Busy,
}

impl Auth {
    /// A user name, and the bcrypt hash of the password, in any of its forms (`$2a$`, `$2b$`, `$2x$`, `$2y$`).
    ///
    /// The first CONNECT brings the password; the page keeps a session id afterwards. The id is signed with the hash, so
    /// that every server with the same credentials accepts it, also after a restart. The password is never stored.
    ///
    /// # Errors
    ///
    /// The text is not a hash of bcrypt.
    pub fn basic(username: impl Into<String>, password_hash: impl Into<String>) -> Result<Self, AuthError> {
        let (username, hash) = (username.into(), password_hash.into());
        hash.parse::<bcrypt::HashParts>().map_err(|_| AuthError::Hash)?;
        let verifying = Arc::new(Semaphore::new(1));
        Ok(Self(Some(Arc::new(Basic { username, hash, verifying, waiting: AtomicUsize::new(0) }))))
    }

    /// No authentication: each client of the server may use the admin UI. For development on one machine.
    pub fn none() -> Self {
        Self(None)
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Checks credentials. Returns a new session id, unless none is needed.
    pub(crate) async fn check(
        &self,
        credentials: &Credentials,
        lifetime: Duration,
    ) -> Result<Option<String>, Refused> {
        let Some(basic) = &self.0 else { return Ok(None) };
        let now = seconds(SystemTime::now());
        if credentials.session_id.as_deref().is_some_and(|id| basic.has_session(id, now)) {
            return Ok(None);
        }
        let (Some(username), Some(password)) = (&credentials.username, &credentials.password) else {
            return Err(Refused::Invalid);
        };
        if password.len() > MAX_PASSWORD {
            return Err(Refused::Invalid);
        }
        // The password is verified in any case, so that the time does not tell whether the name is known.
        let is_password = basic.verify(password.clone()).await?;
        if !is_password || *username != basic.username {
            return Err(Refused::Invalid);
        }
        Ok(Some(basic.session(now.saturating_add(lifetime.as_secs()))))
    }
}

impl Basic {
    async fn verify(&self, password: String) -> Result<bool, Refused> {
        let _waiting = Waiting::enter(&self.waiting)?;
        let permit = Arc::clone(&self.verifying).acquire_owned().await.map_err(|_| Refused::Busy)?;
        let hash = self.hash.clone();
        // The permit goes with the work, which goes on if the client has left.
        let verified = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            bcrypt::verify(password, &hash)
        });
        // A password with a zero byte is an error.
        Ok(matches!(verified.await, Ok(Ok(true))))
    }

    /// A session id that is valid until then.
    fn session(&self, until: u64) -> String {
        let signature = self.signature(until).finalize().into_bytes();
        format!("{until:016x}{}", hex(&signature))
    }

    fn has_session(&self, id: &str, now: u64) -> bool {
        let Some((until, signature)) = id.split_at_checked(16) else { return false };
        let (Ok(until), Some(signature)) = (u64::from_str_radix(until, 16), unhex(signature)) else {
            return false;
        };
        until > now && self.signature(until).verify_slice(&signature).is_ok()
    }

    fn signature(&self, until: u64) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.hash.as_bytes()).expect("a key of any length is accepted");
        mac.update(PURPOSE);
        mac.update(&until.to_be_bytes());
        mac.update(self.username.as_bytes());
        mac
    }
}

/// A password that waits, or is verified.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Result<Self, Refused> {
        let entered = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) > MAX_WAITING { Err(Refused::Busy) } else { Ok(entered) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// `Debug` without the hash.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Basic" } else { "None" })
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of `changeit` with the least cost.
    pub(crate) fn hash() -> String {
        bcrypt::hash_with_salt("changeit", 4, [7; 16]).unwrap().to_string()
    }

    fn auth() -> Auth {
        Auth::basic("admin", hash()).unwrap()
    }

    fn password(username: &str, password: &str) -> Credentials {
        Credentials {
            username: Some(username.to_owned()),
            password: Some(password.to_owned()),
            ..Credentials::default()
        }
    }

    fn session(id: &str) -> Credentials {
        Credentials { session_id: Some(id.to_owned()), ..Credentials::default() }
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn other_texts_than_hashes_are_refused() {
        for text in ["", "changeit", "$2b$10$short", "$1$abc$def"] {
            assert!(Auth::basic("admin", text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_password_opens_a_session() {
        let auth = auth();
        for (name, text) in [("admin", "wrong"), ("root", "changeit"), ("", ""), ("admin", "change\0it")] {
            assert_eq!(auth.check(&password(name, text), DAY).await, Err(Refused::Invalid), "{name}");
        }
        assert_eq!(auth.check(&Credentials::default(), DAY).await, Err(Refused::Invalid));
        let id = auth.check(&password("admin", "changeit"), DAY).await.unwrap().unwrap();
        assert_eq!(auth.check(&session(&id), DAY).await, Ok(None));
        // Another server with these credentials accepts it too.
        assert_eq!(self::auth().check(&session(&id), DAY).await, Ok(None));
        let renamed = Auth::basic("root", hash()).unwrap();
        assert_eq!(renamed.check(&session(&id), DAY).await, Err(Refused::Invalid));
        let other = bcrypt::hash_with_salt("changeit", 4, [8; 16]).unwrap().to_string();
        let other = Auth::basic("admin", other).unwrap();
        assert_eq!(other.check(&session(&id), DAY).await, Err(Refused::Invalid));
    }

    #[tokio::test]
    async fn sessions_end_and_cannot_be_made_up() {
        let auth = auth();
        let over = auth.check(&password("admin", "changeit"), Duration::ZERO).await.unwrap().unwrap();
        let valid = auth.check(&password("admin", "changeit"), DAY).await.unwrap().unwrap();
        let later = format!("{}{}", "ffffffffffffffff", &valid[16..]);
        let mut wrong = valid.clone();
        wrong.replace_range(79.., if valid.ends_with('0') { "1" } else { "0" });
        for id in [&*over, &later, &wrong, &valid[..79], "", "0123456789abcdef", "äöüäöüäö"] {
            assert_eq!(auth.check(&session(id), DAY).await, Err(Refused::Invalid), "{id}");
        }
        assert_eq!(auth.check(&session(&valid), DAY).await, Ok(None));
    }

    /// Verifying is slow on purpose. A client that tries many passwords keeps one core busy at most, and operators with a
    /// session do not notice.
    #[tokio::test]
    async fn few_passwords_wait() {
        let auth = auth();
        let basic = auth.0.as_ref().unwrap();
        let held = Arc::clone(&basic.verifying).acquire_owned().await.unwrap();
        let attempts: Vec<_> = (0..=MAX_WAITING)
            .map(|_| {
                let auth = auth.clone();
                tokio::spawn(async move { auth.check(&password("admin", "wrong"), DAY).await })
            })
            .collect();
        while basic.waiting.load(Ordering::Relaxed) <= MAX_WAITING {
            tokio::task::yield_now().await;
        }
        assert_eq!(auth.check(&password("admin", "changeit"), DAY).await, Err(Refused::Busy));
        let valid = basic.session(u64::MAX);
        assert_eq!(auth.check(&session(&valid), DAY).await, Ok(None));
        drop(held);
        for attempt in attempts {
            assert_eq!(attempt.await.unwrap(), Err(Refused::Invalid));
        }
        assert_eq!(basic.waiting.load(Ordering::Relaxed), 0);
        let long = "x".repeat(MAX_PASSWORD + 1);
        assert_eq!(auth.check(&password("admin", &long), DAY).await, Err(Refused::Invalid));
    }
}
