//! Offers and answers, as `ws` 8 treats them with the same options (`undefined` is `None` and `WindowBits::Any`).

use http::header::SEC_WEBSOCKET_EXTENSIONS;

use super::*;
use crate::deflate::WindowBits;

/// The options of `ws` with nothing set.
fn undefined() -> PerMessageDeflate {
    PerMessageDeflate::new().server_no_context_takeover(None).client_no_context_takeover(None)
}

fn headers(value: &str) -> HeaderMap {
    let value = value.parse().expect("a header value");
    HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, value)])
}

/// The answer of a server, without the name of the extension. `None` is a response of 400.
#[cfg(feature = "server")]
fn answer(settings: PerMessageDeflate, offer: &str) -> Option<String> {
    let (_, answer) = accept_as_server(settings, &headers(offer)).ok()?.expect("the extension is offered");
    Some(answer.strip_prefix(NAME).expect("the name of the extension").trim_start_matches("; ").to_owned())
}

#[cfg(feature = "server")]
#[test]
fn offers_are_answered() {
    let full = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                server_max_window_bits=10; client_max_window_bits=11";
    let none = undefined();
    for (settings, offer, expected) in [
        // No option.
        (none, "permessage-deflate", Some("")),
        (none, "permessage-deflate; client_max_window_bits", Some("")),
        (none, "permessage-deflate; client_max_window_bits=10", Some("client_max_window_bits=10")),
        (none, "permessage-deflate; server_max_window_bits=8", Some("server_max_window_bits=8")),
        (none, "permessage-deflate; server_no_context_takeover", Some("server_no_context_takeover")),
        (
            none,
            full,
            Some(
                "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; \
                 client_max_window_bits=11",
            ),
        ),
        // The default of this crate.
        (
            PerMessageDeflate::new(),
            "permessage-deflate; client_max_window_bits",
            Some("server_no_context_takeover; client_no_context_takeover"),
        ),
        // Context takeover of the server.
        (none.server_no_context_takeover(true), "permessage-deflate", Some("server_no_context_takeover")),
        (none.server_no_context_takeover(false), "permessage-deflate", Some("")),
        (none.server_no_context_takeover(false), full, None),
        (
            none.server_no_context_takeover(false),
            "permessage-deflate; server_no_context_takeover, permessage-deflate",
            Some(""),
        ),
        // Context takeover of the client.
        (none.client_no_context_takeover(true), "permessage-deflate", Some("client_no_context_takeover")),
        (
            none.client_no_context_takeover(false),
            "permessage-deflate; client_no_context_takeover",
            Some("client_no_context_takeover"),
        ),
        // Window of the server.
        (none.server_max_window_bits(12), "permessage-deflate", Some("server_max_window_bits=12")),
        (
            none.server_max_window_bits(12),
            "permessage-deflate; server_max_window_bits=12",
            Some("server_max_window_bits=12"),
        ),
        (
            none.server_max_window_bits(12),
            "permessage-deflate; server_max_window_bits=15",
            Some("server_max_window_bits=12"),
        ),
        (none.server_max_window_bits(12), "permessage-deflate; server_max_window_bits=11", None),
        (none.server_max_window_bits(WindowBits::Refused), "permessage-deflate", Some("")),
        (
            none.server_max_window_bits(WindowBits::Refused),
            "permessage-deflate; server_max_window_bits=15",
            None,
        ),
        // Window of the client.
        (none.client_max_window_bits(12), "permessage-deflate", None),
        (
            none.client_max_window_bits(12),
            "permessage-deflate; client_max_window_bits",
            Some("client_max_window_bits=12"),
        ),
        (
            none.client_max_window_bits(12),
            "permessage-deflate; client_max_window_bits=14",
            Some("client_max_window_bits=12"),
        ),
        // `ws` answers 12, which the client has to refuse.
        (
            none.client_max_window_bits(12),
            "permessage-deflate; client_max_window_bits=9",
            Some("client_max_window_bits=9"),
        ),
        (
            none.client_max_window_bits(WindowBits::Refused),
            "permessage-deflate; client_max_window_bits=9",
            Some(""),
        ),
        // Numbers, as JavaScript reads them.
        (none, "permessage-deflate; server_max_window_bits=\"1\\0\"", Some("server_max_window_bits=10")),
        (none, "permessage-deflate; server_max_window_bits=0010", Some("server_max_window_bits=10")),
        (none, "permessage-deflate; server_max_window_bits=0xf", Some("server_max_window_bits=15")),
        (none, "permessage-deflate; server_max_window_bits=+1e1", Some("server_max_window_bits=10")),
        (none, "permessage-deflate; server_max_window_bits=10.5", None),
        (none, "permessage-deflate; server_max_window_bits=-9", None),
        (none, "permessage-deflate; server_max_window_bits=0x", None),
        (none, "permessage-deflate; server_max_window_bits=0x+f", None),
        (none, "permessage-deflate; server_max_window_bits=inf", None),
        (none, "permessage-deflate; server_max_window_bits=7", None),
        (none, "permessage-deflate; server_max_window_bits=16", None),
        (none, "permessage-deflate; server_max_window_bits", None),
        (none, "permessage-deflate; client_max_window_bits=16", None),
        (none, "permessage-deflate; client_max_window_bits=x", None),
        // Invalid parameters, in any of the offers.
        (none, "permessage-deflate; server_no_context_takeover=true", None),
        (none, "permessage-deflate; client_no_context_takeover=1", None),
        (none, "permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
        (none, "permessage-deflate; client_max_window_bits; client_max_window_bits=10", None),
        (none, "permessage-deflate; unknown", None),
        (none, "permessage-deflate; Server_No_Context_Takeover", None),
        (none, "permessage-deflate, permessage-deflate; unknown=1", None),
        (none, "permessage-deflate; ", None),
        (none, "permessage-deflate, ", None),
        // Other extensions are ignored.
        (none, "x-webkit-deflate-frame; a=1; a=2, permessage-deflate", Some("")),
    ] {
        assert_eq!(answer(settings, offer).as_deref(), expected, "{offer:?} with {settings:?}");
    }
}

#[cfg(feature = "server")]
#[test]
fn without_an_offer_nothing_is_agreed() {
    for offer in ["x-webkit-deflate-frame", "Permessage-Deflate", "permessage-bzip2; a"] {
        assert_eq!(accept_as_server(PerMessageDeflate::new(), &headers(offer)), Ok(None), "{offer:?}");
    }
    assert_eq!(accept_as_server(PerMessageDeflate::new(), &HeaderMap::new()), Ok(None));
    assert_eq!(accept_as_server(PerMessageDeflate::new(), &headers("a b")), Err(Unacceptable));
}

#[cfg(feature = "server")]
#[test]
fn both_directions_are_agreed() {
    let agree = |settings, offer| accept_as_server(settings, &headers(offer)).unwrap().unwrap().0;
    let agreed = agree(undefined(), "permessage-deflate; server_max_window_bits=9");
    assert!(agreed.writes_with_context && agreed.reads_with_context && agreed.plan.window_bits() == 9);
    let agreed = agree(PerMessageDeflate::new(), "permessage-deflate");
    assert!(!agreed.writes_with_context && !agreed.reads_with_context && agreed.plan.window_bits() == 15);
}

#[cfg(feature = "client")]
#[test]
fn a_client_offers_its_settings() {
    let none = undefined();
    for (settings, expected) in [
        (none, "permessage-deflate; client_max_window_bits"),
        (none.client_max_window_bits(WindowBits::Refused), "permessage-deflate"),
        (none.client_max_window_bits(10), "permessage-deflate; client_max_window_bits=10"),
        (
            none.server_max_window_bits(9),
            "permessage-deflate; client_max_window_bits; server_max_window_bits=9",
        ),
        (
            PerMessageDeflate::new(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
        ),
    ] {
        assert_eq!(offer(settings), expected);
    }
}

#[cfg(feature = "client")]
#[test]
fn a_client_checks_the_answer() {
    let none = undefined();
    // The window, and whether the context is kept in writing and in reading.
    for (settings, answer, expected) in [
        (none, "permessage-deflate", Some((15, true, true))),
        (none, "permessage-deflate; server_no_context_takeover", Some((15, true, false))),
        (none, "permessage-deflate; client_no_context_takeover", Some((15, false, true))),
        (none, "permessage-deflate; server_max_window_bits=9", Some((15, true, true))),
        (none, "permessage-deflate; client_max_window_bits=9", Some((9, true, true))),
        (none.client_max_window_bits(10), "permessage-deflate", Some((10, true, true))),
        (
            none.client_max_window_bits(10),
            "permessage-deflate; client_max_window_bits=10",
            Some((10, true, true)),
        ),
        (none.client_max_window_bits(10), "permessage-deflate; client_max_window_bits=11", None),
        (
            none.client_max_window_bits(WindowBits::Refused),
            "permessage-deflate; client_max_window_bits=15",
            None,
        ),
        (none.client_no_context_takeover(false), "permessage-deflate; client_no_context_takeover", None),
        (PerMessageDeflate::new(), "permessage-deflate", Some((15, false, true))),
        (none, "permessage-deflate; client_max_window_bits", None),
        (none, "permessage-deflate; server_max_window_bits", None),
        (none, "permessage-deflate; server_max_window_bits=7", None),
        (none, "permessage-deflate; unknown", None),
        (none, "permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
        (none, "permessage-deflate, x-other", None),
        (none, "x-other", None),
        (none, "permessage-deflate;", None),
        (none, "permessage-deflate, permessage-deflate; client_no_context_takeover", Some((15, true, true))),
    ] {
        let agreed = accept_as_client(Some(settings), &headers(answer)).ok().flatten();
        let agreed = agreed
            .map(|agreed| (agreed.plan.window_bits(), agreed.writes_with_context, agreed.reads_with_context));
        assert_eq!(agreed, expected, "{answer:?} with {settings:?}");
    }
    assert_eq!(accept_as_client(None, &HeaderMap::new()), Ok(None));
    assert_eq!(accept_as_client(None, &headers("permessage-deflate")), Err(Unacceptable));
    assert_eq!(accept_as_client(Some(none), &HeaderMap::new()), Ok(None));
}

proptest::proptest! {
    /// Whatever is offered: an answer that the server gives is one that a client with that offer accepts.
    #[cfg(all(feature = "client", feature = "server"))]
    #[test]
    fn both_sides_agree(
        server in (0..3_usize, 0..3_usize, 6..17_u8, 6..17_u8),
        client in (0..3_usize, 0..3_usize, 6..17_u8, 6..17_u8),
    ) {
        let settings = |(server, client, server_bits, client_bits): (usize, usize, u8, u8)| {
            let takeover = [None, Some(true), Some(false)];
            let bits = |bits| match bits {
                6 => WindowBits::Refused,
                7 | 16 => WindowBits::Any,
                bits => WindowBits::AtMost(bits),
            };
            PerMessageDeflate::new()
                .server_no_context_takeover(takeover[server])
                .client_no_context_takeover(takeover[client])
                .server_max_window_bits(bits(server_bits))
                .client_max_window_bits(bits(client_bits))
        };
        let (server, client) = (settings(server), settings(client));
        if let Ok(Some((ours, answer))) = accept_as_server(server, &headers(&offer(client))) {
            let refuses = client.client_no_context_takeover == Some(false)
                && server.client_no_context_takeover == Some(true);
            match accept_as_client(Some(client), &headers(&answer)) {
                Ok(Some(theirs)) => {
                    // Each side reads at least what the other writes.
                    proptest::prop_assert!(theirs.reads_with_context || !ours.writes_with_context);
                    proptest::prop_assert!(ours.reads_with_context || !theirs.writes_with_context);
                    let limit = client.server_max_window_bits.limit().unwrap_or(15);
                    proptest::prop_assert!(ours.plan.window_bits() <= limit);
                }
                answer => proptest::prop_assert!(refuses, "{answer:?}"),
            }
        }
    }
}
