//! An open connection to the broker, and the task that reads it.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::protocol::{ProtocolError, Question, Reply, frame, next_frame};

/// A connection is lost, or the broker does not keep to the protocol.
#[derive(Debug, Error)]
pub(super) enum DriverError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("the broker has closed the connection")]
    Ended,
    #[error("{0}")]
    Refused(String),
}

/// Takes the messages of channels.
pub(super) type Inbound = Box<dyn Fn(Bytes, Bytes) + Send + Sync>;

/// A connection, which is closed on drop.
pub(super) struct Connection {
    writer: OwnedWriteHalf,
    /// Replies in the order of the questions; there are at most as many as questions.
    replies: mpsc::UnboundedReceiver<Reply>,
    /// The reason for the end of the connection.
    ended: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

impl Connection {
    pub(super) async fn open(path: &Path, inbound: Inbound) -> Result<Self, DriverError> {
        let (reader, writer) = UnixStream::connect(path).await?.into_split();
        let (sender, replies) = mpsc::unbounded_channel();
        let (reason, ended) = watch::channel(None);
        let task = tokio::spawn(async move {
            let error = match follow(reader, &sender, inbound).await {
                Ok(()) => DriverError::Ended,
                Err(error) => error,
            };
            reason.send_replace(Some(error.to_string()));
        });
        Ok(Self { writer, replies, ended, task })
    }

    /// Sends questions, and waits for all replies. A question that is too large is refused here.
    pub(super) async fn ask(&mut self, questions: &[Question]) -> Result<Vec<Reply>, DriverError> {
        let mut frames = BytesMut::new();
        let is_sent: Vec<bool> =
            questions.iter().map(|question| frame(&mut frames, |out| question.write(out))).collect();
        self.writer.write_all(&frames).await?;
        let mut replies = Vec::with_capacity(questions.len());
        for is_sent in is_sent {
            replies.push(if is_sent {
                self.replies.recv().await.ok_or(DriverError::Ended)?
            } else {
                Reply::Refused("the message is too large".to_owned())
            });
        }
        Ok(replies)
    }

    /// Sends one question.
    pub(super) async fn ask_one(&mut self, question: Question) -> Result<Reply, DriverError> {
        match self.ask(&[question]).await?.pop() {
            Some(Reply::Refused(reason)) => Err(DriverError::Refused(reason)),
            Some(reply) => Ok(reply),
            None => Err(DriverError::Ended),
        }
    }

    /// Returns when the connection is lost.
    pub(super) async fn lost(&self) {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(Option::is_some).await;
    }

    pub(super) fn reason(&self) -> Option<String> {
        self.ended.borrow().clone()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads until the connection ends.
async fn follow(
    mut reader: OwnedReadHalf,
    replies: &mpsc::UnboundedSender<Reply>,
    inbound: Inbound,
) -> Result<(), DriverError> {
    let mut received = BytesMut::new();
    loop {
        while let Some(message) = next_frame(&mut received)? {
            match Reply::read(message)? {
                Reply::Message { channel, payload } => inbound(channel, payload),
                // The receiver is gone if the connection is being dropped.
                reply => drop(replies.send(reply)),
            }
        }
        received.reserve(16 << 10);
        if reader.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}
