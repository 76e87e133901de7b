//! Parts of a listener: the kinds of ports, TLS and certificates, the client address of a request, and the detection of
//! exhausted file descriptors.

pub(crate) mod certificate;
pub(crate) mod descriptors;
pub(crate) mod forwarded;
pub(crate) mod networks;
pub(crate) mod tls;

/// Kind of the port that a request came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Port for clients. It also serves the page, and the API unless operators have a separate port.
    Public,
    /// Port for clients only, with the name of its program.
    Clients(Program),
    /// Port for operators.
    Internal,
}

/// Name and version of a program, as a port describes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// The name, such as `socketio-gateway`.
    pub name: &'static str,
    /// The version.
    pub version: &'static str,
}

impl Program {
    /// This gateway.
    pub const GATEWAY: Self = Self { name: "socketio-gateway", version: crate::VERSION };
}
