//! Identity of the holder of a token, for an embedding program.

use serde_json::{Map, Value};

/// Identity of the holder of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenHolder {
    /// The user; `None` if the holder is anonymous.
    pub user: Option<String>,
    /// The claims of `auth.metadata_claims`.
    pub metadata: Map<String, Value>,
}
