//! Check of tokens for an embedding program.

use serde_json::{Map, Value};

use crate::gateway::Gateway;

/// Identity of the holder of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenHolder {
    /// The user; `None` if the holder is anonymous.
    pub user: Option<String>,
    /// The claims of `auth.metadata_claims`.
    pub metadata: Map<String, Value>,
}

impl Gateway {
    /// Checks a token as that of a connecting client. `None`: the token is invalid, expired or revoked, or the settings
    /// have no keys of tokens.
    pub async fn check_token(&self, token: &str) -> Option<TokenHolder> {
        let identity = self.tokens().check(token).await?;
        Some(TokenHolder { user: identity.user, metadata: identity.metadata })
    }
}
