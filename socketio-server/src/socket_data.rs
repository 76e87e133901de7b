//! Application data of a socket that other cluster nodes can read (`socket.data`).

use std::fmt;

use engineio::sync::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The data of a socket: a JSON object that the application defines.
///
/// [`fetch_sockets`](crate::Namespace::fetch_sockets) returns it for sockets on other nodes, and a recovered
/// client has it again. Values for this process only belong into [`extensions`](crate::Socket::extensions),
/// which needs no conversion.
#[derive(Default)]
pub struct SocketData(Mutex<Option<Box<Map<String, Value>>>>);

impl SocketData {
    /// Sets one value. Fails if the value cannot be converted to JSON.
    pub fn set(&self, key: &str, value: impl Serialize) -> Result<(), serde_json::Error> {
        let value = serde_json::to_value(value)?;
        self.0.lock().get_or_insert_default().insert(key.to_owned(), value);
        Ok(())
    }

    /// One value, deserialized as `T`. `None` if it does not exist or has another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.0.lock().as_ref()?.get(key)?.clone();
        serde_json::from_value(value).ok()
    }

    /// Removes one value.
    pub fn remove(&self, key: &str) -> Option<Value> {
        self.0.lock().as_mut()?.remove(key)
    }

    /// Replaces the whole object.
    pub fn replace(&self, data: Map<String, Value>) {
        *self.0.lock() = if data.is_empty() { None } else { Some(Box::new(data)) };
    }

    /// A copy of the whole object.
    pub fn to_map(&self) -> Map<String, Value> {
        self.0.lock().as_deref().cloned().unwrap_or_default()
    }

    /// The whole object, deserialized as `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(Value::Object(self.to_map()))
    }

    pub(crate) fn copy(&self) -> Self {
        Self(Mutex::new(self.0.lock().clone()))
    }
}

impl fmt::Debug for SocketData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The application's values may be secrets.
        write!(f, "SocketData({})", self.0.lock().as_ref().map_or(0, |data| data.len()))
    }
}
