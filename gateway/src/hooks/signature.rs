//! How a backend knows that a call is ours, and when it was made: the headers of Standard Webhooks.
//!
//! `webhook-signature` is `v1,` and the base64 of HMAC-SHA256 over id, time and body with points between them; with
//! several secrets there are several signatures with spaces between them.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// By this a secret is known to be base64.
const PREFIX: &str = "whsec_";
/// The same for all tries of a call.
pub(super) const ID: HeaderName = HeaderName::from_static("webhook-id");
/// Seconds since 1970, of this try.
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// A secret is not what its beginning says.
#[derive(Debug, Error)]
#[error("hooks.secrets: what follows whsec_ is no base64")]
pub struct SecretError;

/// Signs calls.
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

    /// Puts id, time and signatures of a call into its headers.
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
            // Ids are hexadecimal, the rest is digits and base64.
            if let Some(value) = HeaderValue::from_str(value).ok().filter(|value| !value.is_empty()) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those that Python's `hmac` and `base64` make of it.
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
