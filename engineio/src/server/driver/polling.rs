//! Polling in the driver: packets of POSTs, and the response to the waiting GET.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Driver, count};
use crate::polling::{self, Packets, PayloadForm};
use crate::protocol::packet::PacketType;
use crate::protocol::prepared::Prepared;
#[cfg(feature = "peers")]
use crate::server::peers::Reply;
use crate::server::session::command::{Polled, PostAnswer, PostBody};
use crate::session::Input;

/// A POST whose body is being read, or whose packets wait for a busy handler.
pub(super) struct Post {
    progress: Progress,
    answer: PostReply,
}

/// The request that waits for the result of a POST.
pub(super) enum PostReply {
    Local(oneshot::Sender<PostAnswer>),
    /// At another node.
    #[cfg(feature = "peers")]
    Peer(Box<Reply>),
}

impl PostReply {
    fn send(self, answer: PostAnswer) {
        match self {
            Self::Local(request) => drop(request.send(answer)),
            #[cfg(feature = "peers")]
            Self::Peer(reply) if answer == PostAnswer::Accepted => reply.grant(),
            // A dropped reply refuses.
            #[cfg(feature = "peers")]
            Self::Peer(_) => {}
        }
    }
}

enum Progress {
    Reading(oneshot::Receiver<Option<Bytes>>, PayloadForm),
    Delivering(Packets),
}

impl Driver {
    pub(super) fn begin_post(
        &mut self,
        body: PostBody,
        form: PayloadForm,
        answer: oneshot::Sender<PostAnswer>,
        now: Instant,
    ) {
        let answer = PostReply::Local(answer);
        match body {
            PostBody::Read(body) => self.take_post(self.packets(body, form), answer, now),
            PostBody::Reading(body) => {
                self.post = Some(Post { progress: Progress::Reading(body, form), answer });
            }
        }
    }

    /// Answers the waiting GET with control packets.
    pub(super) fn answer_poll(&mut self, packets: &[PacketType], now: Instant) {
        let answered = match self.parked.take() {
            Some(parked) => {
                let _ = parked.send(polling::answer(self.session.dialect(), &[], packets).into());
                true
            }
            None => self.answer_remote(packets),
        };
        if answered {
            self.session.outbox().set_blocked(true);
            self.input(Input::PollAnswered, now);
        }
    }

    /// A GET waits, here or at another node.
    pub(super) fn poll_opened(&mut self, now: Instant) {
        self.session.outbox().set_blocked(!self.can_answer());
        // A GET after the close receives a noop and a close packet, as at the official server.
        if self.is_closing() && self.session.outbox().is_empty() {
            self.answer_poll(&[PacketType::Noop, PacketType::Close], now);
            self.input(Input::Drained, now);
        }
    }

    /// Whether packets can be sent to the client, which no WebSocket here carries.
    pub(super) fn can_answer(&self) -> bool {
        (self.parked.is_some() || self.remote.takes_packets()) && !self.remote.is_delivering()
    }

    pub(super) fn poll_parked(&mut self, cx: &mut Context<'_>, now: Instant) {
        if self.parked.as_mut().is_some_and(|parked| parked.poll_closed(cx).is_ready()) {
            self.parked = None;
            self.input(Input::PollLost, now);
        }
    }

    pub(super) fn poll_post(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Some(Post { progress, answer }) = self.post.take() else { return };
        match progress {
            Progress::Delivering(packets) => self.take_post(packets, answer, now),
            Progress::Reading(mut body, form) => match Pin::new(&mut body).poll(cx) {
                Poll::Pending => {
                    self.post = Some(Post { progress: Progress::Reading(body, form), answer });
                }
                Poll::Ready(Ok(Some(body))) => self.take_post(self.packets(body, form), answer, now),
                Poll::Ready(Ok(None)) => self.input(Input::PostEnded, now),
                Poll::Ready(Err(_)) => self.input(Input::PostLost, now),
            },
        }
    }

    /// Refuses the POST in progress when the session ends.
    pub(super) fn refuse_post(&mut self) {
        if let Some(post) = self.post.take() {
            post.answer.send(PostAnswer::Refused);
        }
    }

    fn packets(&self, body: Bytes, form: PayloadForm) -> Packets {
        polling::packets(body, form, self.server.config.max_packets_per_payload)
    }

    /// Handles packets of a POST while the handler is ready. The remaining packets wait, and so does the
    /// response.
    pub(super) fn take_post(&mut self, mut packets: Packets, answer: PostReply, now: Instant) {
        // Packets of earlier requests at other nodes come first.
        self.deliver_waiting(now);
        if self.over {
            return answer.send(PostAnswer::Refused);
        }
        let mut undecodable = false;
        loop {
            if !self.handler.is_ready() {
                self.post = Some(Post { progress: Progress::Delivering(packets), answer });
                return;
            }
            let Some(packet) = packets.next() else { break };
            match packet {
                Ok(packet) => self.packet(packet, now),
                Err(_) => {
                    undecodable = true;
                    self.input(Input::Undecodable, now);
                }
            }
            // Packets behind a close packet are ignored.
            if self.over {
                break;
            }
        }
        self.input(Input::PostEnded, now);
        answer.send(if undecodable { PostAnswer::Refused } else { PostAnswer::Accepted });
    }

    pub(super) fn flush_polling(&mut self, now: Instant) {
        if !self.can_answer() {
            return;
        }
        if self.session.outbox().is_empty() {
            if self.is_closing() {
                self.answer_poll(&[PacketType::Close], now);
                self.input(Input::Drained, now);
            }
            return;
        }
        let mut messages = Vec::new();
        self.session.outbox().take(usize::MAX, &mut messages);
        if !messages.is_empty() {
            self.handler.on_flush(&self.session, &messages);
            self.observe(|observer, session| observer.on_flush(session, &messages));
        }
        // The close packet is sent in the response to the next GET. A Socket.IO client drops the events that
        // arrive together with a close packet, as it dispatches them later than it handles the close.
        let bytes = messages.iter().map(Prepared::wire_len).sum();
        match self.parked.take() {
            Some(parked) => {
                let answer = polling::answer(self.session.dialect(), &messages, &[]);
                let loan = self.session.lend(bytes);
                let delivered = parked.send(Polled { answer, loan }).is_ok();
                self.session.outbox().set_blocked(true);
                if !delivered {
                    return self.input(Input::PollLost, now);
                }
            }
            None => {
                self.drain_remote(&messages);
                self.session.outbox().set_blocked(!self.can_answer());
            }
        }
        self.session.outbox().wrote(messages.len(), bytes);
        count(&messages, &mut self.traffic);
        self.input(Input::PollAnswered, now);
        if !messages.is_empty() {
            self.handler.on_drain(&self.session);
            self.observe(|observer, session| observer.on_drain(session));
        }
        // A WebSocket at another node has taken everything. A further GET has to ask for the close packet.
        if self.is_closing() && self.can_answer() && self.session.outbox().is_empty() {
            self.input(Input::Drained, now);
        }
    }
}
