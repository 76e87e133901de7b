//! Where somebody came in.

/// A port that the gateway listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// That of the clients.
    Public,
    /// One for clients alone, beside another one.
    Clients,
    /// That of the operators.
    Internal,
}
