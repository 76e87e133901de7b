//! `gen-token` and `check-token`: create and verify client tokens with the keys of the configuration.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::failed;
use crate::auth::tokens::{self, TokenSigner, Tokens};
use crate::auth::user::is_valid_name;
use crate::config::Config;

/// Arguments of `gen-token`.
#[derive(Debug, Args)]
pub(super) struct GenToken {
    /// User name, of at most 256 bytes. By default the token is anonymous.
    user: Option<String>,
    /// Lifetime: 90s, 15min, 12h, 30days.
    #[arg(long = "for", default_value = "1day", value_parser = humantime::parse_duration, value_name = "TIME")]
    lifetime: Duration,
    /// Generate a JWT even if auth.session_secret is set.
    #[arg(long)]
    jwt: bool,
    /// File of the private key, as PEM. Required for a JWT unless auth.jwt_method is HS256, HS384 or HS512.
    #[arg(long, value_name = "FILE")]
    private_key: Option<PathBuf>,
}

pub(super) fn gen_token(config: &Config, arguments: GenToken) -> Result<(), ExitCode> {
    let GenToken { user, lifetime, jwt, private_key } = arguments;
    if user.as_ref().is_some_and(|user| !is_valid_name(user)) {
        return Err(failed("a user name of 1 to 256 bytes is expected"));
    }
    let private_key = match &private_key {
        Some(path) => {
            let read = std::fs::read(path);
            Some(read.map_err(|error| failed(format_args!("{}: {error}", path.display())))?)
        }
        None => None,
    };
    let signer = if jwt || private_key.is_some() || config.auth.session_secret.is_empty() {
        TokenSigner::of_jwts(&config.auth, private_key.as_deref())
    } else {
        Ok(TokenSigner::of_sessions(&config.auth))
    };
    let token = signer.and_then(|signer| signer.token(user, lifetime.as_secs().max(1))).map_err(failed)?;
    println!("{token}");
    Ok(())
}

pub(super) fn check_token(config: &Config, token: Option<String>) -> Result<(), ExitCode> {
    let token = match token {
        Some(token) => token,
        None => {
            let mut read = String::new();
            std::io::stdin().read_to_string(&mut read).map_err(failed)?;
            read
        }
    };
    let tokens = Tokens::new(&config.auth).map_err(failed)?;
    let token = token.trim();
    // The verification may fetch a key set over HTTP.
    let runtime = tokio::runtime::Runtime::new().map_err(failed)?;
    let identity = runtime.block_on(async {
        match tokens.check(token).await {
            Some(identity) => Ok(identity),
            None => Err(failed(tokens.rejection_reason(token).await)),
        }
    })?;
    println!("{}", json!({"user": identity.user, "until": tokens::date(identity.until)}));
    Ok(())
}
