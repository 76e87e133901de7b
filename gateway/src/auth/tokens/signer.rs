//! Creation of tokens on the command line, for operators who test their configuration.

use std::str::FromStr;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Claims, SessionError, TokenError, now};
use crate::config::Auth;

/// Creates tokens that the gateway accepts.
pub(crate) enum TokenSigner {
    /// Session tokens, as the gateway itself issues them.
    Sessions(EncodingKey),
    /// JWTs, as another issuer signs them.
    JwtSigner(Box<JwtSigner>),
}

pub(crate) struct JwtSigner {
    method: Algorithm,
    key: EncodingKey,
    user_claim: String,
    /// Claims that are the same in each token.
    claims: Map<String, Value>,
}

/// Error of creating a token.
#[derive(Debug, Error)]
pub(crate) enum SignerError {
    #[error(transparent)]
    Settings(#[from] TokenError),
    #[error("neither auth.session_secret nor auth.jwt_key is set")]
    NoKey,
    #[error("JWTs with {0} require a private key: --private-key FILE")]
    NoPrivateKey(String),
    #[error("the private key does not match auth.jwt_method: {0}")]
    PrivateKey(jsonwebtoken::errors::Error),
    #[error(transparent)]
    Sign(#[from] SessionError),
}

impl TokenSigner {
    pub(crate) fn of_sessions(auth: &Auth) -> Self {
        Self::Sessions(EncodingKey::from_secret(auth.session_secret.expose().as_bytes()))
    }

    pub(crate) fn of_jwts(auth: &Auth, private_key: Option<&[u8]>) -> Result<Self, SignerError> {
        let method =
            Algorithm::from_str(&auth.jwt_method).map_err(|_| TokenError::Method(auth.jwt_method.clone()))?;
        let key = match (method, private_key) {
            (Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512, _) if auth.jwt_key.is_empty() => {
                return Err(SignerError::NoKey);
            }
            (Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512, _) => {
                Ok(EncodingKey::from_secret(auth.jwt_key.expose().as_bytes()))
            }
            (_, None) => return Err(SignerError::NoPrivateKey(auth.jwt_method.clone())),
            (Algorithm::ES256 | Algorithm::ES384, Some(key)) => EncodingKey::from_ec_pem(key),
            (Algorithm::EdDSA, Some(key)) => EncodingKey::from_ed_pem(key),
            (_, Some(key)) => EncodingKey::from_rsa_pem(key),
        };
        let mut claims = Map::new();
        for (claim, value) in [("iss", &auth.jwt_issuer), ("aud", &auth.jwt_audience)] {
            if !value.is_empty() {
                claims.insert(claim.to_owned(), value.clone().into());
            }
        }
        let key = key.map_err(SignerError::PrivateKey)?;
        Ok(Self::JwtSigner(Box::new(JwtSigner { method, key, user_claim: auth.user_claim.clone(), claims })))
    }

    /// Creates a token with a lifetime of `seconds`.
    pub(crate) fn token(&self, user: Option<String>, seconds: u64) -> Result<String, SignerError> {
        let end = now().saturating_add(seconds);
        match self {
            Self::Sessions(key) => Ok(Claims::new(user, end)?.sign(key)?),
            Self::JwtSigner(jwts) => {
                let mut claims = jwts.claims.clone();
                claims.insert("iat".to_owned(), now().into());
                claims.insert("exp".to_owned(), end.into());
                if let Some(user) = user {
                    claims.insert(jwts.user_claim.clone(), user.into());
                }
                let token = encode(&Header::new(jwts.method), &claims, &jwts.key);
                Ok(token.map_err(SessionError::from)?)
            }
        }
    }
}
