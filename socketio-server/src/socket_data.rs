//! Values that an application keeps with a socket, and that the other nodes of a cluster see (`socket.data`).

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The data of a socket: a JSON object of the application's choice.
///
/// It is what [`fetch_sockets`](crate::Namespace::fetch_sockets) shows of sockets on other nodes, and what a client
/// that recovers finds again. What only this process needs is better kept in
/// [`extensions`](crate::Socket::extensions), which costs no conversion.
#[derive(Default)]
pub struct SocketData(Mutex<Option<Box<Map<String, Value>>>>);

impl SocketData {
    /// Sets one value. An error says that it cannot be JSON.
    pub fn set(&self, key: &str, value: impl Serialize) -> Result<(), serde_json::Error> {
        let value = serde_json::to_value(value)?;
        self.lock().get_or_insert_default().insert(key.to_owned(), value);
        Ok(())
    }

    /// One value, read as `T`. `None` if it is not there or of another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.lock().as_ref()?.get(key)?.clone();
        serde_json::from_value(value).ok()
    }

    /// Takes one value out.
    pub fn remove(&self, key: &str) -> Option<Value> {
        self.lock().as_mut()?.remove(key)
    }

    /// Replaces all of it.
    pub fn replace(&self, data: Map<String, Value>) {
        *self.lock() = if data.is_empty() { None } else { Some(Box::new(data)) };
    }

    /// A copy of all of it.
    pub fn to_map(&self) -> Map<String, Value> {
        self.lock().as_deref().cloned().unwrap_or_default()
    }

    /// All of it, read as `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(Value::Object(self.to_map()))
    }

    pub(crate) fn copy(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Map<String, Value>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SocketData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The application's values may be secrets.
        write!(f, "SocketData({})", self.lock().as_ref().map_or(0, |data| data.len()))
    }
}
