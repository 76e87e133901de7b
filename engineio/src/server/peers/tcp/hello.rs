//! The greeting of two nodes. Each proves that it knows the key, with random numbers of both, so that a greeting cannot be
//! repeated.
//!
//! 1. The node that has opened the connection sends [`MAGIC`] and 32 random bytes.
//! 2. The other one sends 32 random bytes, its tag, and HMAC-SHA256 of `accept`, both random numbers and the tag.
//! 3. The first one sends its tag, and HMAC-SHA256 of `dial`, both random numbers and both tags.

use std::io;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Length of a node's tag, which is in the ids of its sessions.
pub(super) const TAG: usize = 6;

/// The protocol and its version.
const MAGIC: &[u8; 8] = b"eiopeer1";
const NONCE: usize = 32;
const PROOF: usize = 32;

/// The key that the nodes of a cluster share, and the tag of this one.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) key: Vec<u8>,
    pub(super) tag: [u8; TAG],
}

/// Greets a node to which this one has opened a connection. Returns its tag, or `None` if the node with this tag is not
/// wanted: it has not heard who dials then.
pub(super) async fn dial<S>(
    stream: &mut S,
    identity: &Identity,
    is_wanted: impl FnOnce(&[u8; TAG]) -> bool,
) -> io::Result<Option<[u8; TAG]>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let nonce = nonce()?;
    stream.write_all(&[&MAGIC[..], &nonce].concat()).await?;
    let mut answer = [0; NONCE + TAG + PROOF];
    stream.read_exact(&mut answer).await?;
    let (challenge, proof) = answer.split_at(NONCE + TAG);
    identity.check(&[b"accept", &nonce, challenge], proof)?;
    let node = tag(&challenge[NONCE..])?;
    if !is_wanted(&node) {
        return Ok(None);
    }
    let proof = identity.prove(&[b"dial", &nonce, challenge, &identity.tag])?;
    stream.write_all(&[&identity.tag[..], &proof].concat()).await?;
    Ok(Some(node))
}

/// Greets a node that has opened a connection to this one. Returns its tag.
pub(super) async fn accept<S>(stream: &mut S, identity: &Identity) -> io::Result<[u8; TAG]>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut hello = [0; MAGIC.len() + NONCE];
    stream.read_exact(&mut hello).await?;
    let Some(theirs) = hello.strip_prefix(MAGIC) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a node of this version"));
    };
    let challenge = [&nonce()?[..], &identity.tag].concat();
    let proof = identity.prove(&[b"accept", theirs, &challenge])?;
    stream.write_all(&[&challenge[..], &proof].concat()).await?;
    let mut answer = [0; TAG + PROOF];
    stream.read_exact(&mut answer).await?;
    let (name, proof) = answer.split_at(TAG);
    identity.check(&[b"dial", theirs, &challenge, name], proof)?;
    tag(name)
}

impl Identity {
    fn mac(&self, parts: &[&[u8]]) -> io::Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(io::Error::other)?;
        parts.iter().for_each(|part| mac.update(part));
        Ok(mac)
    }

    fn prove(&self, parts: &[&[u8]]) -> io::Result<Vec<u8>> {
        Ok(self.mac(parts)?.finalize().into_bytes().to_vec())
    }

    /// Compares in constant time.
    fn check(&self, parts: &[&[u8]], proof: &[u8]) -> io::Result<()> {
        let wrong = |_| io::Error::new(io::ErrorKind::PermissionDenied, "the node has another key");
        self.mac(parts)?.verify_slice(proof).map_err(wrong)
    }
}

fn tag(bytes: &[u8]) -> io::Result<[u8; TAG]> {
    bytes.try_into().map_err(io::Error::other)
}

fn nonce() -> io::Result<[u8; NONCE]> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    Ok(nonce)
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    fn identity(key: &str, tag: u8) -> Identity {
        Identity { key: key.as_bytes().to_vec(), tag: [tag; TAG] }
    }

    /// Greets, and returns the results of both sides.
    async fn greet(dialing: Identity, accepting: Identity) -> (io::Result<[u8; TAG]>, io::Result<[u8; TAG]>) {
        let (mut ours, mut theirs) = duplex(1000);
        let dialed = async move {
            let found = dial(&mut ours, &dialing, |tag| *tag != dialing.tag).await;
            found?.ok_or_else(|| io::ErrorKind::AddrInUse.into())
        };
        let accepted = async move { accept(&mut theirs, &accepting).await };
        tokio::join!(dialed, accepted)
    }

    #[tokio::test]
    async fn nodes_with_one_key_learn_their_tags() {
        let (dialed, accepted) = greet(identity("key", 1), identity("key", 2)).await;
        assert_eq!((dialed.unwrap(), accepted.unwrap()), ([2; TAG], [1; TAG]));
    }

    #[tokio::test]
    async fn a_node_does_not_greet_itself() {
        let (dialed, accepted) = greet(identity("key", 1), identity("key", 1)).await;
        assert_eq!(dialed.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(accepted.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn nodes_with_other_keys_are_refused() {
        let (dialed, accepted) = greet(identity("key", 1), identity("another", 2)).await;
        assert_eq!(dialed.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        // The first one does not prove anything to the second one.
        assert_eq!(accepted.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_node_without_the_key_cannot_dial() {
        let (mut ours, mut theirs) = duplex(1000);
        let accepted = tokio::spawn(async move { accept(&mut theirs, &identity("key", 2)).await });
        ours.write_all(&[&MAGIC[..], &[7; NONCE]].concat()).await.unwrap();
        let mut answer = [0; NONCE + TAG + PROOF];
        ours.read_exact(&mut answer).await.unwrap();
        // The proof of the other side is none of this one.
        ours.write_all(&answer[NONCE..]).await.unwrap();
        assert_eq!(accepted.await.unwrap().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[tokio::test]
    async fn a_greeting_cannot_be_repeated() {
        let (mut ours, mut theirs) = duplex(1000);
        let dialing = tokio::spawn(async move { dial(&mut ours, &identity("key", 1), |_| true).await });
        let mut hello = [0; MAGIC.len() + NONCE];
        theirs.read_exact(&mut hello).await.unwrap();
        // The answer to another greeting.
        let accepting = identity("key", 2);
        let challenge = [&[9; NONCE][..], &accepting.tag].concat();
        let proof = accepting.prove(&[b"accept", &[8; NONCE], &challenge]).unwrap();
        theirs.write_all(&[&challenge[..], &proof].concat()).await.unwrap();
        assert_eq!(dialing.await.unwrap().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[tokio::test]
    async fn another_protocol_is_refused() {
        let (mut ours, mut theirs) = duplex(1000);
        ours.write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n      ").await.unwrap();
        let error = accept(&mut theirs, &identity("key", 2)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
