//! Listen addresses.

use std::fmt;
use std::io;

use tokio::net::{TcpListener, ToSocketAddrs};

/// A listener cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: cannot listen on {address}: {source}")]
pub struct ListenError {
    /// The setting with the address.
    pub setting: &'static str,
    /// The address.
    pub address: String,
    /// The reason.
    pub source: io::Error,
}

/// A listener on the address of a setting. The error names both: with several ports the reason alone does not say which
/// one is in use.
pub async fn listen<A>(setting: &'static str, address: A) -> Result<TcpListener, ListenError>
where
    A: ToSocketAddrs + fmt::Debug,
{
    // A text has its quotes, a pair of host and port its parentheses.
    let shown = format!("{address:?}").replace(['"', '(', ')'], "").replace(", ", ":");
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| ListenError { setting, address: shown, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let first = listen("PORT", ("127.0.0.1", 0)).await.unwrap();
        let addr = first.local_addr().unwrap();
        let expected = format!("PORT: cannot listen on {addr}: ");
        let error = listen("PORT", ("127.0.0.1", addr.port())).await.unwrap_err();
        assert!(error.to_string().starts_with(&expected), "{error}");
        let error = listen("PORT", addr.to_string()).await.unwrap_err();
        assert!(error.to_string().starts_with(&expected), "{error}");
        let error = listen("ADDRESS", "nowhere").await.unwrap_err();
        assert!(error.to_string().starts_with("ADDRESS: cannot listen on nowhere: "), "{error}");
    }
}
