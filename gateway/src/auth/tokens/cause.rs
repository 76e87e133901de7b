//! Reasons of rejected tokens, as sentences for operators.

use jsonwebtoken::errors::{Error, ErrorKind};

/// The reason of an error as a sentence. Most errors of the library display as the name of their kind.
pub(super) fn cause(error: &Error) -> String {
    let sentence = match error.kind() {
        ErrorKind::InvalidToken => "it is no JSON Web Token",
        ErrorKind::InvalidSignature => "no configured key has signed it",
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidIssuer => "its issuer is not auth.jwt_issuer",
        ErrorKind::InvalidAudience => "its audience is not auth.jwt_audience",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "no configured key has its algorithm"
        }
        ErrorKind::MissingRequiredClaim(claim) => return format!("it has no claim {claim}"),
        _ => return error.to_string(),
    };
    sentence.to_owned()
}
