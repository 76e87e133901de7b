//! The identities of services: their keys, and the names that keys and tokens give.

use std::collections::BTreeMap;
use std::sync::Arc;

use engineio::sync::RwLock;
use serde_json::{Map, Value};

use crate::names::MAX_NAME;

/// Keys of services. Several keys of one service are valid at the same time, so that a key can be replaced without an
/// interruption.
#[derive(Clone, Default)]
pub struct ServiceKeys {
    /// Keys that any service may use which has no keys of its own. Default none.
    pub shared: Vec<String>,
    /// Keys of one service each, by its name. A service with keys is accepted with these keys only. Default none.
    pub of_service: BTreeMap<String, Vec<String>>,
}

/// Names of the services only, because keys are secrets.
impl std::fmt::Debug for ServiceKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let services: Vec<&String> = self.of_service.keys().collect();
        f.debug_struct("ServiceKeys").field("of_service", &services).finish_non_exhaustive()
    }
}

/// Invalid keys of services.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The name of a service is too short or too long.
    #[error("services.{0}: the name of a service has 1 to {MAX_NAME} bytes")]
    Name(String),
    /// A key is empty.
    #[error("services: an empty key gives no protection")]
    Empty,
    /// A key gives two names.
    #[error("services.{0}.keys: a key of this service is a key of another one, or a shared one")]
    Twice(String),
}

impl ServiceKeys {
    /// Whether there are no keys at all: then each client that reaches the bus may act as any service.
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.of_service.is_empty()
    }

    fn check(&self) -> Result<(), KeyError> {
        let mut known: Vec<&String> = self.shared.iter().collect();
        for (name, keys) in &self.of_service {
            if !is_name(name) {
                return Err(KeyError::Name(name.clone()));
            }
            if keys.iter().any(|key| known.contains(&key)) {
                return Err(KeyError::Twice(name.clone()));
            }
            known.extend(keys);
        }
        if known.iter().any(|key| key.is_empty()) { Err(KeyError::Empty) } else { Ok(()) }
    }
}

/// Reason for which a service is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("not a service")]
    Key,
    #[error("this service has a key of its own")]
    Name,
}

/// The identities that the bus knows. Clones share the keys, which can be replaced at any time.
#[derive(Clone)]
pub(crate) struct Services {
    keys: Arc<RwLock<Arc<ServiceKeys>>>,
    claim: Arc<str>,
}

impl Services {
    pub(crate) fn new(keys: ServiceKeys, claim: &str) -> Result<Self, KeyError> {
        keys.check()?;
        Ok(Self { keys: Arc::new(RwLock::new(Arc::new(keys))), claim: claim.into() })
    }

    pub(crate) fn replace(&self, keys: ServiceKeys) -> Result<(), KeyError> {
        keys.check()?;
        *self.keys.write() = Arc::new(keys);
        Ok(())
    }

    /// Checks the key of a client that connects as the service `name`.
    pub(crate) fn admit(&self, name: &str, key: Option<&str>) -> Result<(), Refusal> {
        if !is_name(name) {
            return Err(Refusal::Key);
        }
        let keys = self.keys();
        let accepted = match keys.of_service.get(name) {
            Some(own) => own,
            None if keys.is_empty() => return Ok(()),
            None => &keys.shared,
        };
        if contains(accepted, key.unwrap_or_default()) { Ok(()) } else { Err(Refusal::Key) }
    }

    /// The name of the service that sends a request with this key, and says that its name is `source`. The key of a
    /// service decides alone.
    pub(crate) fn name_of(&self, key: Option<&str>, source: Option<&str>) -> Result<String, Refusal> {
        let keys = self.keys();
        let brought = key.unwrap_or_default();
        // Each key is compared, so that the duration does not reveal whose key it is.
        let mut owner = None;
        for (name, own) in &keys.of_service {
            if contains(own, brought) {
                owner = Some(name);
            }
        }
        if let Some(owner) = owner {
            return Ok(owner.clone());
        }
        if !keys.is_empty() && !contains(&keys.shared, brought) {
            return Err(Refusal::Key);
        }
        let source = source.filter(|source| is_name(source)).unwrap_or("http");
        if keys.of_service.contains_key(source) { Err(Refusal::Name) } else { Ok(source.to_owned()) }
    }

    /// The name of the service to which these claims of a token belong.
    pub(crate) fn claimed(&self, claims: &Map<String, Value>) -> Option<String> {
        let name = claims.get(&*self.claim)?.as_str()?;
        (!self.claim.is_empty() && is_name(name)).then(|| name.to_owned())
    }

    /// The claim of tokens that names a service; empty: none.
    pub(crate) fn claim(&self) -> &str {
        &self.claim
    }

    fn keys(&self) -> Arc<ServiceKeys> {
        Arc::clone(&self.keys.read())
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
}

/// Whether this is one of the keys. It is compared with all of them in constant time.
fn contains(keys: &[String], brought: &str) -> bool {
    keys.iter().fold(false, |any, key| system_support::is_equal(key, brought) | any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(shared: &[&str], own: &[(&str, &[&str])]) -> Result<Services, KeyError> {
        let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let of_service = own.iter().map(|(name, keys)| ((*name).to_owned(), owned(keys))).collect();
        Services::new(ServiceKeys { shared: owned(shared), of_service }, "service")
    }

    #[test]
    fn a_key_of_a_service_gives_its_name_alone() {
        let known = services(&["shared"], &[("chat", &["new", "old"]), ("mail", &["letter"])]).unwrap();
        for key in ["new", "old"] {
            assert_eq!(known.admit("chat", Some(key)), Ok(()));
            assert_eq!(known.name_of(Some(key), Some("mail")), Ok("chat".to_owned()), "{key}");
        }
        for key in ["shared", "letter", "", "NEW"] {
            assert_eq!(known.admit("chat", Some(key)), Err(Refusal::Key), "{key}");
        }
        assert_eq!(known.admit("other", Some("shared")), Ok(()));
        assert_eq!(known.admit("other", Some("new")), Err(Refusal::Key));
        assert_eq!(known.admit("", Some("shared")), Err(Refusal::Key));
        assert_eq!(known.name_of(Some("shared"), Some("other")), Ok("other".to_owned()));
        assert_eq!(known.name_of(Some("shared"), Some("chat")), Err(Refusal::Name));
        assert_eq!(known.name_of(None, None), Err(Refusal::Key));
    }

    #[test]
    fn without_keys_each_name_is_accepted() {
        let open = services(&[], &[]).unwrap();
        assert_eq!((open.admit("chat", None), open.name_of(None, None)), (Ok(()), Ok("http".to_owned())));
        let own = services(&[], &[("chat", &["new"])]).unwrap();
        assert_eq!(
            own.admit("mail", None),
            Err(Refusal::Key),
            "keys of one service close the bus to the others"
        );
        assert_eq!(own.name_of(None, Some("mail")), Err(Refusal::Key));
    }

    #[test]
    fn invalid_keys_are_reported() {
        let twice = Err(KeyError::Twice("mail".to_owned()));
        assert_eq!(services(&[], &[("chat", &["a"]), ("mail", &["a"])]).map(drop), twice);
        assert_eq!(services(&["a"], &[("mail", &["a"])]).map(drop), twice);
        assert_eq!(services(&[], &[("mail", &[""])]).map(drop), Err(KeyError::Empty));
        assert_eq!(services(&[], &[("", &["a"])]).map(drop), Err(KeyError::Name(String::new())));
        let known = services(&["a"], &[]).unwrap();
        assert_eq!(
            known.replace(ServiceKeys { shared: vec![String::new()], ..ServiceKeys::default() }),
            Err(KeyError::Empty)
        );
        assert_eq!(known.admit("x", Some("a")), Ok(()), "nothing was replaced");
        known.replace(ServiceKeys { shared: vec!["b".to_owned()], ..ServiceKeys::default() }).unwrap();
        assert_eq!((known.admit("x", Some("a")), known.admit("x", Some("b"))), (Err(Refusal::Key), Ok(())));
    }

    #[test]
    fn a_claim_names_a_service() {
        let known = services(&["a"], &[]).unwrap();
        let claims = |value: Value| Map::from_iter([("service".to_owned(), value)]);
        assert_eq!(known.claimed(&claims("chat".into())).as_deref(), Some("chat"));
        for wrong in [Value::Null, 1.into(), "".into(), "x".repeat(MAX_NAME + 1).into()] {
            assert_eq!(known.claimed(&claims(wrong)), None);
        }
    }
}
