//! Kinds of ports.

/// Kind of the port that a request came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Port for clients. It also serves the page, and the API unless operators have a separate port.
    Public,
    /// Port for clients only.
    Clients,
    /// Port for operators.
    Internal,
}
