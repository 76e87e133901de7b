//! Namespaces of patterns that are on other nodes alone. This node has no adapter for them, so another node emits.

use socketio_server::Server;

use super::{Cluster, Partial, Question};
use crate::config::STATS_NAMESPACE;
use crate::node::clients::ClientError;

/// Receivers of an event, and the event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Emission<'a> {
    pub(crate) namespace: &'a str,
    /// The room of the receivers; `None` stands for the whole namespace.
    pub(crate) room: Option<&'a str>,
    pub(crate) event: &'a str,
    /// The data as JSON.
    pub(crate) data: &'a str,
}

impl Cluster {
    /// One of the nodes that have a namespace. If there is none, the nodes that did not answer.
    pub(crate) async fn node_with(&self, io: &Server, namespace: &str) -> Result<String, Option<Partial>> {
        if !self.is_enabled() || namespace == STATS_NAMESPACE {
            return Err(None);
        }
        let asked = self.ask::<bool>(io, &Question::HasNamespace(namespace.to_owned())).await;
        let found = asked.answers.into_iter().find(|answered| answered.answer);
        found.map(|answered| answered.instance).ok_or(asked.partial)
    }

    /// Emits at a node that has the namespace, from where the event reaches all nodes.
    pub(crate) async fn emit_at(
        &self,
        io: &Server,
        instance: String,
        emission: Emission<'_>,
    ) -> Result<(), ClientError> {
        let Emission { namespace, room, event, data } = emission;
        let emit = Question::Emit {
            namespace: namespace.to_owned(),
            room: room.map(str::to_owned),
            event: event.to_owned(),
            data: data.to_owned(),
        };
        let question = Question::At { instance, question: Box::new(emit) };
        let asked = self.ask::<Option<Result<(), ClientError>>>(io, &question).await;
        let done = asked.answers.into_iter().find_map(|answered| answered.answer);
        let lost = "the node that has the namespace did not answer";
        done.unwrap_or_else(|| Err(ClientError::NotSent(lost.to_owned())))
    }

    /// Emits to a namespace that this node does not have. A namespace that no node has is ignored.
    pub(crate) async fn emit_elsewhere(
        &self,
        io: &Server,
        emission: Emission<'_>,
    ) -> Result<(), ClientError> {
        match self.node_with(io, emission.namespace).await {
            Ok(instance) => self.emit_at(io, instance, emission).await,
            Err(None) => Ok(()),
            Err(Some(Partial { missing, link })) => {
                let missing = missing.join(", ");
                let error = format!("namespace not found, without an answer of: {missing}; link {link}");
                Err(ClientError::NotSent(error))
            }
        }
    }
}
