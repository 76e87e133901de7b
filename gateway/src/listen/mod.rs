//! Parts of a listener: the kinds of ports, TLS, the client address of a request, and the detection of
//! exhausted file descriptors.

pub(crate) mod descriptors;
pub(crate) mod forwarded;
pub(crate) mod networks;
pub(crate) mod tls;

/// Kind of the port that a request came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Port for clients. It also serves the page, and the API unless operators have a separate port.
    Public,
    /// Port for clients only.
    Clients,
    /// Port for operators.
    Internal,
}
