//! Names of rooms, and the limit of names.

/// Maximum length of the name of a room, a user or a service, in bytes.
pub(crate) const MAX_NAME: usize = 256;
/// The room of all services.
pub(crate) const SERVICES: &str = "services";
/// Prefix of the rooms of services, followed by the name.
pub(crate) const SERVICE_ROOM: &str = "service:";
/// Prefix of the rooms of users, followed by the user's id.
pub(crate) const USER_ROOM: &str = "user:";
