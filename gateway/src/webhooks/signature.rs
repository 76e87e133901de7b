//! Signatures by which a backend verifies the sender and the time of a webhook: the headers of Standard
//! Webhooks.
//!
//! `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over id, time and body, joined by points. With
//! several secrets it contains several signatures, separated by spaces.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Prefix of a secret that is encoded as base64.
const PREFIX: &str = "whsec_";
/// Header with the id of the webhook, the same for all attempts.
pub(super) const ID: HeaderName = HeaderName::from_static("webhook-id");
/// Header with the time of the attempt, in seconds since 1970.
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Error of a secret that has the prefix of base64 and is not valid base64.
#[derive(Debug, Error)]
#[error("webhooks.secrets: invalid base64 after whsec_")]
pub struct SecretError;

/// Signs webhooks with every secret.
#[derive(Debug)]
pub(super) struct Signer(Vec<hmac::Key>);

impl Signer {
    pub(super) fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Result<Self, SecretError> {
        let key = |secret: &str| {
            let bytes = match secret.strip_prefix(PREFIX) {
                Some(encoded) => STANDARD.decode(encoded).map_err(|_| SecretError)?,
                None => secret.as_bytes().to_vec(),
            };
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        };
        secrets.map(key).collect::<Result<_, _>>().map(Self)
    }

    /// Adds id, time and signatures of a webhook to its headers.
    pub(super) fn sign(&self, id: &str, seconds: u64, body: &[u8], headers: &mut HeaderMap) {
        let start = format!("{id}.{seconds}.");
        let signed = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(start.as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        let signatures = self.0.iter().map(signed).collect::<Vec<_>>().join(" ");
        let values = [(ID, id), (TIMESTAMP, &seconds.to_string()), (SIGNATURE, &signatures)];
        for (name, value) in values {
            // The values are hexadecimal, decimal or base64, so they are valid headers.
            if let Some(value) = HeaderValue::from_str(value).ok().filter(|value| !value.is_empty()) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected signatures were computed with Python's `hmac` and `base64`.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "a secret as it is"];
        let signer = Signer::new(secrets.into_iter()).unwrap();
        let mut headers = HeaderMap::new();
        signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#, &mut headers);
        assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        assert_eq!(
            headers["webhook-signature"],
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,etheeVXf5EzAfH955MizvDynXuxZAHx2AL0S/MIR1eM="
        );
        assert!(Signer::new(["whsec_not base64"].into_iter()).is_err());
        let mut headers = HeaderMap::new();
        Signer::new([].into_iter()).unwrap().sign("1", 1, b"", &mut headers);
        assert!(!headers.contains_key("webhook-signature"));
    }
}
