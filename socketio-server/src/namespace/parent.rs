//! Parents of namespaces that are created on request of a client: which names belong to them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Namespace;
use crate::params::{Params, Pattern};
use crate::socket::handshake::Handshake;

type Decision = Pin<Box<dyn Future<Output = bool> + Send>>;
type Predicate = Box<dyn Fn(NamespaceRequest) -> Decision + Send + Sync>;

/// The parent of dynamic namespaces.
pub(super) struct Parent {
    pub(super) matcher: Matcher,
    pub(super) namespace: Namespace,
}

/// Decides which names belong to a parent.
pub(super) enum Matcher {
    Pattern(Pattern),
    #[cfg(feature = "regex")]
    Regex(regex::Regex),
    Function(Predicate),
}

/// A client's request for a namespace that does not exist; the argument of a function for
/// [`Server::of_function`](crate::Server::of_function).
#[derive(Clone, Debug)]
pub struct NamespaceRequest {
    name: Arc<str>,
    handshake: Handshake,
}

impl NamespaceRequest {
    pub(super) fn new(name: &str, handshake: &Handshake) -> Self {
        Self { name: name.into(), handshake: handshake.clone() }
    }

    /// The name, with its leading slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The handshake of the client, with its credentials.
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }
}

impl Matcher {
    pub(super) fn function<F, Fut>(function: F) -> Self
    where
        F: Fn(NamespaceRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        Self::Function(Box::new(move |request| Box::pin(function(request))))
    }

    pub(super) fn is_function(&self) -> bool {
        matches!(self, Self::Function(_))
    }

    /// The parameters of a name that matches. A function matches no name without a client.
    pub(super) fn capture(&self, name: &str) -> Option<Params> {
        match self {
            Self::Pattern(pattern) => pattern.capture(name),
            #[cfg(feature = "regex")]
            Self::Regex(regex) => {
                let captures = regex.captures(name)?;
                let named = regex.capture_names().flatten();
                Some(named.filter_map(|group| Some((group, captures.name(group)?.as_str()))).collect())
            }
            Self::Function(_) => None,
        }
    }

    /// The same, with the decision of a function about a client.
    pub(super) async fn decide(&self, request: &NamespaceRequest) -> Option<Params> {
        match self {
            Self::Function(predicate) => predicate(request.clone()).await.then(Params::default),
            matcher => matcher.capture(request.name()),
        }
    }
}
