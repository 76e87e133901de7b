//! Events between the servers of a cluster, on one node: handlers, emits and answers.

use std::sync::Arc;
use std::task::{Context, Waker};

use socketio_cluster::Message;
use socketio_events::handler::{Call, Called, Failure};
use socketio_events::table::HandlerId;
use socketio_parser::{Event, RawValue};
use tokio::sync::oneshot;

use super::AdapterError;
use super::node::NamespaceNode;
use super::requests::{Answer, Gathered, Reply};
use super::server_event::{ServerEvent, ServerReply};
use crate::trace;

impl NamespaceNode {
    /// Sends an event to the other servers.
    pub(crate) async fn server_side_emit(&self, event: Event) -> Result<(), AdapterError> {
        self.publish(|| Message::ServerSideEmit { event, request: None }).await
    }

    /// Sends an event to the other servers and gathers their answers.
    pub(crate) async fn server_side_emit_with_ack(
        &self,
        event: Event,
    ) -> Result<Gathered<Answer>, AdapterError> {
        let Some(cluster) = self.cluster_opened().await else { return Ok(Gathered::default()) };
        let deadline = cluster.deadline(None);
        let open = cluster.open_request().await?;
        cluster.publish(&Message::ServerSideEmit { event, request: Some(open.id().clone()) }).await?;
        let answers = open.gather(deadline, |reply| match reply {
            Reply::Server(_, answer) => Some(Answer::Remote(answer)),
            _ => None,
        });
        Ok(answers.await)
    }

    /// Adds a handler for the events of other servers with this name.
    pub(crate) fn on_server_event(&self, event: &str, call: Call<ServerEvent>) -> HandlerId {
        self.server_events.write().on(event, call)
    }

    /// Handles an event of another server. The receiver resolves when a handler answers; without a handler it
    /// fails.
    pub(super) fn server_event(
        &self,
        event: &Event,
        wants_answer: bool,
    ) -> oneshot::Receiver<Option<RawValue>> {
        let (sender, answer) = oneshot::channel();
        let reply = wants_answer.then(|| ServerReply::new(sender));
        let calls: Vec<_> = {
            let table = self.server_events.read();
            table.event(event.name()).into_iter().flat_map(|list| list.calls()).cloned().collect()
        };
        for call in calls {
            let event = ServerEvent {
                namespace: Arc::clone(&self.name),
                event: event.clone(),
                reply: reply.clone(),
                parser: self.parser,
                state: Arc::clone(&self.state),
            };
            let failed = |namespace: &str, Failure { event, error }: Failure| {
                trace::server_event_failed(namespace, &event, &error);
            };
            match call(event, &mut Context::from_waker(Waker::noop())) {
                Called::Done => {}
                Called::Failed(failure) => failed(&self.name, failure),
                Called::Pending(work) => {
                    let namespace = Arc::clone(&self.name);
                    tokio::spawn(async move {
                        if let Some(failure) = work.await {
                            failed(&namespace, failure);
                        }
                    });
                }
            }
        }
        answer
    }
}
