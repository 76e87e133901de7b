//! Session token that was issued.

use super::date;

/// Issued session token.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// The token itself; a secret.
    pub token: String,
    /// User of the session; `None` if it is anonymous.
    pub user: Option<String>,
    /// Expiry time, in seconds since 1970.
    pub until: u64,
}

impl SessionToken {
    /// Expiry time as RFC 3339.
    pub fn expires_at(&self) -> String {
        date(self.until)
    }
}

/// `Debug` without the token.
impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("user", &self.user)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
