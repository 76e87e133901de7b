//! URLs of servers.

use super::{Credentials, SettingsError};
use crate::protocol::Address;

/// Maximum number of servers in a URL.
const MAX_SERVERS: usize = 16;

/// The parts of a URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) servers: Vec<Address>,
    pub(super) credentials: Credentials,
    pub(super) tls: bool,
}

/// Reads the URLs of servers, with commas between them.
pub(super) fn parse(text: &str) -> Result<Url, SettingsError> {
    let wrong = |reason: &str| SettingsError::Url(reason.to_owned());
    let (mut servers, mut scheme, mut credentials) = (Vec::new(), None, Credentials::None);
    for part in text.split(',').map(str::trim) {
        let (own, rest) = match part.split_once("://") {
            Some((own @ ("nats" | "tls"), rest)) => (own, rest),
            Some(_) => return Err(wrong("the scheme is neither nats nor tls")),
            // Those after the first one need none.
            None => (scheme.ok_or_else(|| wrong("it begins with neither nats:// nor tls://"))?, part),
        };
        if *scheme.get_or_insert(own) != own {
            return Err(wrong("all servers need the same scheme"));
        }
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        if let Some(user) = user {
            let own = credentials_of(user).ok_or_else(|| wrong("the user or the password cannot be read"))?;
            if credentials != Credentials::None && credentials != own {
                return Err(wrong("all servers need the same user and password"));
            }
            credentials = own;
        }
        let place = place.strip_suffix('/').unwrap_or(place);
        servers.push(Address::parse(place).ok_or_else(|| wrong("the host or the port cannot be read"))?);
    }
    if servers.len() > MAX_SERVERS {
        return Err(SettingsError::Servers);
    }
    Ok(Url { servers, credentials, tls: scheme == Some("tls") })
}

/// `user:password`, or a token.
fn credentials_of(text: &str) -> Option<Credentials> {
    Some(match text.split_once(':') {
        Some((user, password)) => Credentials::User { user: decoded(user)?, password: decoded(password)? },
        None if text.is_empty() => return None,
        None => Credentials::Token(decoded(text)?),
    })
}

/// Replaces `%` and two hexadecimal digits by the byte.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            u8::try_from(digit()? * 16 + digit()?).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(user: &str, password: &str) -> Credentials {
        Credentials::User { user: user.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn urls_have_servers_and_credentials() {
        for (url, servers, credentials, tls) in [
            ("nats://a", "a:4222", Credentials::None, false),
            ("tls://a:5/", "a:5", Credentials::None, true),
            ("nats://u:p%40%2C@a, nats://b:7", "a:4222 b:7", user("u", "p@,"), false),
            ("nats://u:p@a,u:p@[::1]:7", "a:4222 [::1]:7", user("u", "p"), false),
            ("tls://secret@a", "a:4222", Credentials::Token("secret".to_owned()), true),
            ("nats://u:@a", "a:4222", user("u", ""), false),
        ] {
            let parsed = parse(url).unwrap();
            let found: Vec<String> = parsed.servers.iter().map(ToString::to_string).collect();
            assert_eq!(
                (found.join(" ").as_str(), parsed.credentials, parsed.tls),
                (servers, credentials, tls)
            );
        }
        for url in [
            "",
            "a",
            "nats://",
            "nats://a,",
            "http://a",
            "nats://a/path",
            "nats://a:port",
            "nats://a,tls://b",
            "nats://@a",
            "nats://u:%4@a",
            "nats://u:%FF@a",
            "nats://u:%+1@a",
            "nats://u:p@a,nats://u:q@b",
            "nats://::1",
        ] {
            assert!(matches!(parse(url), Err(SettingsError::Url(_))), "{url}");
        }
    }

    #[test]
    fn the_number_of_servers_is_limited() {
        let url = |number: usize| format!("nats://{}", vec!["localhost"; number].join(","));
        assert!(parse(&url(16)).is_ok());
        assert!(matches!(parse(&url(17)), Err(SettingsError::Servers)));
    }
}
