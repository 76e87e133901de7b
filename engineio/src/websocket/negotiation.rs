//! The negotiation of permessage-deflate (RFC 7692, section 7.1), with the rules of `ws`.
//!
//! One difference: if the client limits its own window more than the settings of the server do, the server answers
//! with the limit of the client. `ws` answers with its own, which is larger, and clients then have to fail the
//! connection.

use std::fmt::Write as _;

use http::HeaderMap;

use super::extensions::{Extension, extensions};
#[cfg(feature = "client")]
use crate::deflate::WindowBits;
use crate::deflate::{Agreed, PerMessageDeflate};

const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The header of the other side is invalid, or cannot be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unacceptable;

/// The parameters of an offer or an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: Option<Limit>,
}

/// The value of `client_max_window_bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// Without a value: the client accepts a limit.
    Accepted,
    Bits(u8),
}

/// Accepts the first offer of a client that agrees with the settings. Returns the agreement and the value of the
/// header of the response; `None` if the client does not offer this extension.
#[cfg(feature = "server")]
pub(crate) fn accept_as_server(
    settings: PerMessageDeflate,
    headers: &HeaderMap,
) -> Result<Option<(Agreed, String)>, Unacceptable> {
    let Some(offered) = extensions(headers).filter(|_| cfg!(feature = "compression")) else {
        return Ok(None);
    };
    let offered = offered.map_err(|_| Unacceptable)?;
    let offers = offered.iter().filter(|extension| extension.name == NAME);
    // All offers have to be valid, as in `ws`.
    let offers = offers.map(|offer| Parameters::read(offer, true)).collect::<Result<Vec<_>, _>>()?;
    if offers.is_empty() {
        return Ok(None);
    }
    let accepted = offers.into_iter().find(|offer| offer.suits_server(settings)).ok_or(Unacceptable)?;
    let answer = accepted.answer(settings);
    let plan = settings.plan(answer.server_max_window_bits.unwrap_or(15)).ok_or(Unacceptable)?;
    let agreed = Agreed {
        plan,
        writes_with_context: !answer.server_no_context_takeover,
        reads_with_context: !answer.client_no_context_takeover,
    };
    Ok(Some((agreed, answer.to_header())))
}

/// The offer of a client, as the value of its header.
#[cfg(feature = "client")]
pub(crate) fn offer(settings: PerMessageDeflate) -> String {
    let client_max_window_bits = match settings.client_max_window_bits {
        WindowBits::Any => Some(Limit::Accepted),
        WindowBits::Refused => None,
        WindowBits::AtMost(_) => settings.client_max_window_bits.limit().map(Limit::Bits),
    };
    let offer = Parameters {
        server_no_context_takeover: settings.server_no_context_takeover == Some(true),
        client_no_context_takeover: settings.client_no_context_takeover == Some(true),
        server_max_window_bits: settings.server_max_window_bits.limit(),
        client_max_window_bits,
    };
    offer.to_header()
}

/// Accepts the response of a server; `None` if it has no extension. Without settings, nothing was offered.
#[cfg(feature = "client")]
pub(crate) fn accept_as_client(
    settings: Option<PerMessageDeflate>,
    headers: &HeaderMap,
) -> Result<Option<Agreed>, Unacceptable> {
    let Some(answered) = extensions(headers) else { return Ok(None) };
    let settings = settings.ok_or(Unacceptable)?;
    let answered = answered.map_err(|_| Unacceptable)?;
    if answered.iter().any(|extension| extension.name != NAME) {
        return Err(Unacceptable);
    }
    let answers = answered.iter().map(|answer| Parameters::read(answer, false));
    let answers = answers.collect::<Result<Vec<_>, _>>()?;
    let answer = *answers.first().ok_or(Unacceptable)?;
    if answer.client_no_context_takeover && settings.client_no_context_takeover == Some(false) {
        return Err(Unacceptable);
    }
    let limit = settings.client_max_window_bits.limit();
    let window_bits = match answer.client_max_window_bits {
        Some(Limit::Bits(bits)) => {
            let is_refused = settings.client_max_window_bits == WindowBits::Refused;
            if is_refused || limit.is_some_and(|limit| bits > limit) {
                return Err(Unacceptable);
            }
            bits
        }
        _ => limit.unwrap_or(15),
    };
    let plan = settings.plan(window_bits).ok_or(Unacceptable)?;
    // A client may always compress each message on its own.
    let no_context = answer.client_no_context_takeover || settings.client_no_context_takeover == Some(true);
    Ok(Some(Agreed {
        plan,
        writes_with_context: !no_context,
        reads_with_context: !answer.server_no_context_takeover,
    }))
}

impl Parameters {
    /// Unknown, repeated and invalid parameters are refused.
    fn read(extension: &Extension, is_offer: bool) -> Result<Self, Unacceptable> {
        let mut read = Self::default();
        for (at, (name, value)) in extension.parameters.iter().enumerate() {
            if extension.parameters[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(Unacceptable);
            }
            match (name.as_str(), value.as_deref()) {
                (SERVER_NO_CONTEXT_TAKEOVER, None) => read.server_no_context_takeover = true,
                (CLIENT_NO_CONTEXT_TAKEOVER, None) => read.client_no_context_takeover = true,
                (SERVER_MAX_WINDOW_BITS, Some(bits)) => {
                    read.server_max_window_bits = Some(window_bits(bits).ok_or(Unacceptable)?);
                }
                (CLIENT_MAX_WINDOW_BITS, Some(bits)) => {
                    read.client_max_window_bits = Some(Limit::Bits(window_bits(bits).ok_or(Unacceptable)?));
                }
                (CLIENT_MAX_WINDOW_BITS, None) if is_offer => {
                    read.client_max_window_bits = Some(Limit::Accepted);
                }
                _ => return Err(Unacceptable),
            }
        }
        Ok(read)
    }

    /// Whether a server with these settings can accept the offer.
    #[cfg(feature = "server")]
    fn suits_server(self, settings: PerMessageDeflate) -> bool {
        use crate::deflate::WindowBits;

        let takeover =
            !(self.server_no_context_takeover && settings.server_no_context_takeover == Some(false));
        let server_window = self.server_max_window_bits.is_none_or(|offered| {
            settings.server_max_window_bits != WindowBits::Refused
                && settings.server_max_window_bits.limit().is_none_or(|limit| limit <= offered)
        });
        let client_window =
            settings.client_max_window_bits.limit().is_none() || self.client_max_window_bits.is_some();
        takeover && server_window && client_window
    }

    /// The answer to an accepted offer.
    #[cfg(feature = "server")]
    fn answer(self, settings: PerMessageDeflate) -> Self {
        use crate::deflate::WindowBits;

        let client_max_window_bits =
            match (self.client_max_window_bits, settings.client_max_window_bits.limit()) {
                (Some(Limit::Bits(offered)), Some(limit)) => Some(Limit::Bits(offered.min(limit))),
                (Some(Limit::Bits(offered)), None)
                    if settings.client_max_window_bits != WindowBits::Refused =>
                {
                    Some(Limit::Bits(offered))
                }
                (_, limit) => limit.map(Limit::Bits),
            };
        Self {
            server_no_context_takeover: self.server_no_context_takeover
                || settings.server_no_context_takeover == Some(true),
            client_no_context_takeover: self.client_no_context_takeover
                || settings.client_no_context_takeover == Some(true),
            server_max_window_bits: settings.server_max_window_bits.limit().or(self.server_max_window_bits),
            client_max_window_bits,
        }
    }

    fn to_header(self) -> String {
        let mut header = NAME.to_owned();
        let flags = [
            (SERVER_NO_CONTEXT_TAKEOVER, self.server_no_context_takeover),
            (CLIENT_NO_CONTEXT_TAKEOVER, self.client_no_context_takeover),
            (CLIENT_MAX_WINDOW_BITS, self.client_max_window_bits == Some(Limit::Accepted)),
        ];
        for (name, _) in flags.into_iter().filter(|(_, set)| *set) {
            header.push_str("; ");
            header.push_str(name);
        }
        let client = match self.client_max_window_bits {
            Some(Limit::Bits(bits)) => Some(bits),
            _ => None,
        };
        for (name, bits) in
            [(SERVER_MAX_WINDOW_BITS, self.server_max_window_bits), (CLIENT_MAX_WINDOW_BITS, client)]
        {
            if let Some(bits) = bits {
                // Writing to a string does not fail.
                let _ = write!(header, "; {name}={bits}");
            }
        }
        header
    }
}

/// A number from 8 to 15, in any form that JavaScript reads as a number.
fn window_bits(value: &str) -> Option<u8> {
    let with_radix = |radix| match &value[2..] {
        digits if digits.starts_with('+') => None,
        digits => u32::from_str_radix(digits, radix).ok().map(f64::from),
    };
    let number = match value.get(..2) {
        Some("0x" | "0X") => with_radix(16),
        Some("0o" | "0O") => with_radix(8),
        Some("0b" | "0B") => with_radix(2),
        _ => value.parse().ok(),
    }?;
    (8..=15).find(|bits| f64::from(*bits) == number)
}

#[cfg(all(test, feature = "compression"))]
mod tests;
