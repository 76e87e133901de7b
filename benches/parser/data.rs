//! Arguments of the measured packets.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use socketio_parser::Binary;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) admin: bool,
    pub(crate) balance: f64,
    pub(crate) tags: Vec<String>,
    pub(crate) address: Address,
    pub(crate) history: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) street: String,
    pub(crate) city: String,
    pub(crate) position: [f64; 2],
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) at: u64,
    pub(crate) action: String,
    pub(crate) ok: Option<bool>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) name: String,
    pub(crate) first: Binary,
    pub(crate) second: Binary,
}

/// The same for the peer, which takes `Bytes` without conversion.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PeerUpload {
    pub(crate) name: String,
    pub(crate) first: Bytes,
    pub(crate) second: Bytes,
}

/// About 1 KiB of JSON.
pub(crate) fn profile() -> Profile {
    Profile {
        id: 123_456_789,
        name: "Ada Lovelace".to_owned(),
        email: "ada@example.org".to_owned(),
        admin: false,
        balance: 1234.56,
        tags: ["analyst", "engine", "first of her kind", "poet"].map(str::to_owned).to_vec(),
        address: Address {
            street: "12 St James's Square".to_owned(),
            city: "London".to_owned(),
            position: [51.507_351, -0.127_758],
        },
        history: (0..13)
            .map(|turn| Entry {
                at: 1_700_000_000_000 + turn * 1000,
                action: format!("translated note {turn}"),
                ok: (turn % 3 != 0).then_some(true),
            })
            .collect(),
    }
}
