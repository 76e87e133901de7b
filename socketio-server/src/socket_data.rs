//! Application data of a socket that other cluster nodes can read (`socket.data`).

use std::fmt;
use std::sync::{Arc, OnceLock};

use engineio::sync::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::Error;
use serde_json::{Map, Value};
use socketio_events::table::HandlerId;

use crate::hooks::Hooks;

/// The data of a socket: a JSON object that the application defines, or any other JSON value.
///
/// [`fetch_sockets`](crate::Namespace::fetch_sockets) returns it for sockets on other nodes, and a recovered
/// client has it again. Values for this process only belong into [`extensions`](crate::Socket::extensions),
/// which needs no conversion.
#[derive(Default)]
pub struct SocketData {
    value: Mutex<Option<Box<Value>>>,
    /// Called after each change. Allocated with the first hook.
    hooks: OnceLock<Box<Hooks<ChangeHook>>>,
}

/// Hook for changes of data.
type ChangeHook = dyn Fn(&SocketData) + Send + Sync;

impl SocketData {
    /// Sets one value.
    ///
    /// # Errors
    ///
    /// The value cannot be converted to JSON, or the data is not an object.
    pub fn set(&self, key: &str, value: impl Serialize) -> Result<(), serde_json::Error> {
        let value = serde_json::to_value(value)?;
        {
            let mut data = self.value.lock();
            let Value::Object(object) = &mut **data.get_or_insert_with(|| Box::new(Map::new().into())) else {
                return Err(serde_json::Error::custom("the data of the socket is not an object"));
            };
            object.insert(key.to_owned(), value);
        }
        self.changed();
        Ok(())
    }

    /// One value, deserialized as `T`. `None` if it does not exist or has another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.value.lock().as_ref()?.get(key)?.clone();
        serde_json::from_value(value).ok()
    }

    /// Removes one value.
    pub fn remove(&self, key: &str) -> Option<Value> {
        let removed = self.value.lock().as_mut()?.as_object_mut()?.remove(key);
        self.changed();
        removed
    }

    /// Replaces the data by an object, or by another value.
    pub fn replace(&self, data: impl Into<Value>) {
        let data = data.into();
        let is_empty = data.as_object().is_some_and(Map::is_empty);
        *self.value.lock() = if is_empty { None } else { Some(Box::new(data)) };
        self.changed();
    }

    /// A copy of the data.
    pub fn to_value(&self) -> Value {
        self.value.lock().as_deref().cloned().unwrap_or_else(|| Map::new().into())
    }

    /// A copy of the object; an empty one if the data is another value.
    pub fn to_map(&self) -> Map<String, Value> {
        match self.value.lock().as_deref() {
            Some(Value::Object(object)) => object.clone(),
            _ => Map::new(),
        }
    }

    /// The data, deserialized as `T`.
    ///
    /// # Errors
    ///
    /// The data does not deserialize into a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.to_value())
    }

    pub(crate) fn copy(&self) -> Self {
        Self { value: Mutex::new(self.value.lock().clone()), hooks: OnceLock::new() }
    }

    /// Calls `hook` after each change. All hooks are called, in the order of registration. A hook must not hold the
    /// socket, which would never be freed; it may hold its id.
    pub fn on_change(&self, hook: impl Fn(&Self) + Send + Sync + 'static) -> HandlerId {
        self.hooks.get_or_init(Box::default).add(Arc::new(hook))
    }

    /// Removes a hook for changes. Returns `false` if there is none.
    pub fn off_change(&self, id: HandlerId) -> bool {
        self.hooks.get().is_some_and(|hooks| hooks.remove(id))
    }

    fn changed(&self) {
        if let Some(hooks) = self.hooks.get().and_then(|hooks| hooks.current()) {
            hooks.calls().for_each(|hook| hook(self));
        }
    }
}

impl fmt::Debug for SocketData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The application's values may be secrets.
        write!(
            f,
            "SocketData({})",
            self.value.lock().as_ref().and_then(|data| data.as_object()).map_or(0, Map::len)
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hooks_see_each_change_until_they_are_removed() {
        let data = SocketData::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let seen = Arc::clone(&seen);
            data.on_change(move |data| seen.lock().push((name, data.to_value())))
        };
        let first = note("a");
        let second = note("b");
        data.set("key", 1).unwrap();
        assert!(data.off_change(first) && !data.off_change(first));
        data.remove("key");
        assert_eq!(*seen.lock(), [("a", json!({"key": 1})), ("b", json!({"key": 1})), ("b", json!({}))]);
        assert!(!data.copy().off_change(second), "a copy has none");
    }

    /// Applications on Node.js servers replace `socket.data` by any value.
    #[test]
    fn the_data_may_be_any_value() {
        let data = SocketData::default();
        assert_eq!((data.to_value(), data.read::<Map<String, Value>>().unwrap()), (json!({}), Map::new()));
        data.set("key", 1).unwrap();
        assert_eq!((data.get("key"), data.to_value()), (Some(1), json!({"key": 1})));
        data.replace("test");
        assert_eq!(
            (data.to_value(), data.to_map(), data.get::<u8>("key")),
            (json!("test"), Map::new(), None)
        );
        assert_eq!((data.remove("key"), data.read::<String>().unwrap().as_str()), (None, "test"));
        assert!(data.set("key", 2).unwrap_err().to_string().contains("not an object"));
        assert_eq!(data.copy().to_value(), json!("test"));
        data.replace(Map::new());
        data.set("key", 2).unwrap();
        assert_eq!(data.remove("key"), Some(json!(2)));
    }
}
