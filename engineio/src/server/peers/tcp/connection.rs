//! One connection to a node, after the greeting: frames in and out, and the detection of a node that is gone.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::timeout;

use super::frame::{Frame, FrameError, decode};
use super::queue::{Overflow, Queue};

/// Free space of the buffer for a read.
const READ: usize = 16 * 1024;

/// Passes frames on until the connection is lost, or the queue is closed and written. `silence` is the longest time
/// without a frame: a node that says nothing is gone.
pub(super) async fn run<S>(
    stream: S,
    queue: &Queue,
    max_frame: usize,
    silence: Duration,
    receive: impl FnMut(Frame),
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite,
{
    let (reader, writer) = split(stream);
    let writing = async {
        match write(writer, queue, silence / 3).await {
            Ok(ended) => ended,
            // What the node has sent before is still read.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = read(reader, max_frame, silence, receive) => ended,
        ended = writing => ended,
    }
}

async fn read(
    mut reader: impl AsyncRead + Unpin,
    max_frame: usize,
    silence: Duration,
    mut receive: impl FnMut(Frame),
) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    loop {
        loop {
            match decode(&mut bytes, max_frame) {
                Ok(Some(frame)) => receive(frame),
                Ok(None) => break,
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
        bytes.reserve(READ);
        match timeout(silence, reader.read_buf(&mut bytes)).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// The inner result is the end of the connection, the outer one an error of the write.
async fn write(
    mut writer: impl AsyncWrite + Unpin,
    queue: &Queue,
    interval: Duration,
) -> io::Result<io::Result<()>> {
    loop {
        match timeout(interval, queue.next()).await {
            Ok(Ok(Some(bytes))) => writer.write_all(&bytes).await?,
            Ok(Ok(None)) => return Ok(writer.shutdown().await),
            Ok(Err(Overflow)) => {
                return Ok(Err(io::Error::other("more waits for the node than is allowed")));
            }
            Err(_) => queue.push_alive(),
        }
    }
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong(length) => write!(f, "a frame of {length} bytes is longer than is allowed"),
            Self::Invalid => f.write_str("a frame cannot be read"),
        }
    }
}

impl std::error::Error for FrameError {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::super::super::PeerMessage;
    use super::*;

    const SILENCE: Duration = Duration::from_secs(6);

    struct End {
        queue: Arc<Queue>,
        received: mpsc::UnboundedReceiver<PeerMessage>,
        task: JoinHandle<io::Result<()>>,
    }

    fn end(stream: DuplexStream) -> End {
        let queue = Arc::new(Queue::new(10_000, 1000));
        let (sender, received) = mpsc::unbounded_channel();
        let running = Arc::clone(&queue);
        let task = tokio::spawn(async move {
            let receive = |frame| {
                if let Frame::Message(message) = frame {
                    sender.send(message).unwrap();
                }
            };
            run(stream, &running, 1000, SILENCE, receive).await
        });
        End { queue, received, task }
    }

    fn answer(request: u64) -> PeerMessage {
        PeerMessage::AcquireLockResponse { request, success: true }
    }

    #[tokio::test(start_paused = true)]
    async fn messages_arrive_in_order_and_silence_is_none_of_a_node_that_lives() {
        let (ours, theirs) = duplex(64);
        let (one, mut other) = (end(ours), end(theirs));
        for request in 0..100 {
            one.queue.push(&answer(request));
        }
        for request in 0..100 {
            assert_eq!(other.received.recv().await, Some(answer(request)));
        }
        tokio::time::sleep(SILENCE * 10).await;
        other.queue.push(&answer(7));
        other.queue.close();
        let End { task, mut received, .. } = one;
        assert_eq!(received.recv().await, Some(answer(7)));
        assert_eq!(task.await.unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(other.task.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_node_is_lost() {
        let (ours, _theirs) = duplex(1 << 20);
        let begun = Instant::now();
        let error = end(ours).task.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, SILENCE));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_are_no_frame_end_the_connection() {
        let (ours, mut theirs) = duplex(1000);
        let one = end(ours);
        theirs.write_all(&[0, 0, 0, 1, 99]).await.unwrap();
        assert_eq!(one.task.await.unwrap().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_does_not_read_is_lost_when_too_much_waits() {
        let (ours, mut theirs) = duplex(64);
        let one = end(ours);
        for request in 0..2000 {
            one.queue.push(&answer(request));
        }
        // Its frames still arrive.
        theirs.write_all(&[0, 0, 0, 1, 255]).await.unwrap();
        let mut sent = vec![0; 1 << 20];
        while theirs.read(&mut sent).await.unwrap() > 0 {}
        assert_eq!(
            one.task.await.unwrap().unwrap_err().to_string(),
            "more waits for the node than is allowed"
        );
    }
}
