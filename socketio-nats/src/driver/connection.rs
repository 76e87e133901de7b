//! An open connection, and the task that reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engineio::sync::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::error::DriverError;
use super::servers::Servers;
use crate::protocol::{
    Address, Decoder, Frame, Info, Message, Operation, Permission, ProtocolError, missing_permission,
};
use crate::settings::Nats;

/// Maximum number of errors for one batch. The largest batch has 513 operations.
const MAX_ERRORS: usize = 1024;

/// The bytes of a connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Writer = BufWriter<WriteHalf<Box<dyn Stream>>>;

/// Takes the messages of a connection.
pub(super) trait Inbound: Send + 'static {
    /// A message has arrived.
    fn arrived(&self, message: Message);

    /// A message was too large. Its headers and its payload were not kept.
    fn skipped(&self, message: Message);
}

/// A connection, which is closed on drop.
pub(super) struct Connection {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    has_headers: bool,
}

struct Shared {
    /// The task that reads answers the questions of the server.
    writer: tokio::sync::Mutex<Writer>,
    servers: Arc<Servers>,
    progress: watch::Sender<Progress>,
    /// The number of questions to the server.
    pings: AtomicU64,
    missing: Mutex<Vec<Missing>>,
}

#[derive(Debug, Default)]
struct Progress {
    /// The number of its answers.
    pongs: u64,
    /// The reason for the end of the connection.
    ended: Option<String>,
}

/// A permission that the user does not have.
pub(super) type Missing = (Permission, String);

impl Connection {
    /// Opens a connection to a server, and waits until the server has accepted it. Messages of more than `max_message` bytes
    /// are skipped.
    pub(super) async fn open(
        settings: &Nats,
        servers: &Arc<Servers>,
        server: &Address,
        purpose: &str,
        max_message: usize,
        inbound: impl Inbound,
    ) -> Result<Self, DriverError> {
        let mut stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
        stream.set_nodelay(true)?;
        let mut decoder = Decoder::new(max_message);
        let Operation::Info(json) = read(&mut stream, &mut decoder).await? else {
            return Err(ProtocolError::Info.into());
        };
        let info = Info::decode(&json)?;
        let (stream, has_tls) = secured(settings, servers, server, stream, &info, &decoder).await?;
        let (mut reader, writer) = tokio::io::split(stream);
        let mut writer = BufWriter::new(writer);
        let connect = Frame::connect(settings.connect(purpose, has_tls, info.headers));
        write(&mut writer, &[connect, Frame::ping()]).await?;
        servers.learn(&info);
        loop {
            match read(&mut reader, &mut decoder).await? {
                Operation::Pong => break,
                Operation::Error(text) => return Err(DriverError::refused(&text)),
                Operation::Ping => write(&mut writer, &[Frame::pong()]).await?,
                Operation::Info(json) => servers.learn(&Info::decode(&json)?),
                Operation::Ok | Operation::Message(_) | Operation::Skipped(_) => {}
            }
        }
        let shared = Arc::new(Shared {
            writer: tokio::sync::Mutex::new(writer),
            servers: Arc::clone(servers),
            progress: watch::Sender::default(),
            pings: AtomicU64::new(0),
            missing: Mutex::default(),
        });
        let reading = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let error = match reading.follow(reader, decoder, inbound).await {
                Ok(()) => DriverError::Ended,
                Err(error) => error,
            };
            reading.progress.send_modify(|progress| progress.ended = Some(error.to_string()));
        });
        Ok(Self { shared, task, has_headers: info.headers })
    }

    /// Sends operations, and waits until the server has handled all of them. Returns the permissions that were missing.
    pub(super) async fn confirmed(&mut self, frames: &[Frame<'_>]) -> Result<Vec<Missing>, DriverError> {
        self.shared.missing.lock().clear();
        let number = self.shared.pings.fetch_add(1, Ordering::Relaxed) + 1;
        let sending = async {
            let mut writer = self.shared.writer.lock().await;
            write_all(&mut writer, frames).await?;
            write(&mut writer, &[Frame::ping()]).await
        };
        tokio::select! {
            sent = sending => {
                // The task that reads knows the better reason, if the server has said one.
                if let Err(error) = sent {
                    self.lost().await;
                    return Err(self.reason().map_or(error.into(), DriverError::Lost));
                }
            }
            () = self.lost() => {}
        }
        let mut progress = self.shared.progress.subscribe();
        let wanted = |progress: &Progress| progress.pongs >= number || progress.ended.is_some();
        let confirmed = match progress.wait_for(wanted).await {
            Ok(progress) => progress.pongs >= number,
            Err(_) => false,
        };
        if !confirmed {
            return Err(self.reason().map_or(DriverError::Ended, DriverError::Lost));
        }
        Ok(std::mem::take(&mut *self.shared.missing.lock()))
    }

    /// Whether messages may have headers.
    pub(super) fn has_headers(&self) -> bool {
        self.has_headers
    }

    /// Returns when the connection is lost.
    pub(super) async fn lost(&self) {
        let mut progress = self.shared.progress.subscribe();
        let _ = progress.wait_for(|progress| progress.ended.is_some()).await;
    }

    /// The reason for the end of the connection.
    pub(super) fn reason(&self) -> Option<String> {
        self.shared.progress.borrow().ended.clone()
    }
}

impl Drop for Connection {
    /// A server that does not answer any more would keep the task for ever.
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Reads until the connection ends.
    async fn follow(
        &self,
        mut reader: ReadHalf<Box<dyn Stream>>,
        mut decoder: Decoder,
        inbound: impl Inbound,
    ) -> Result<(), DriverError> {
        loop {
            match read(&mut reader, &mut decoder).await? {
                Operation::Message(message) => inbound.arrived(message),
                Operation::Skipped(message) => inbound.skipped(message),
                Operation::Ping => write(&mut *self.writer.lock().await, &[Frame::pong()]).await?,
                Operation::Pong => {
                    let pings = self.pings.load(Ordering::Relaxed);
                    let mut is_expected = false;
                    self.progress.send_modify(|progress| {
                        is_expected = progress.pongs < pings;
                        progress.pongs += u64::from(is_expected);
                    });
                    if !is_expected {
                        return Err(ProtocolError::Pong.into());
                    }
                }
                Operation::Ok => {}
                Operation::Info(json) => self.servers.learn(&Info::decode(&json)?),
                Operation::Error(text) => {
                    let Some((permission, subject)) = missing_permission(&text) else {
                        return Err(DriverError::refused(&text));
                    };
                    let mut missing = self.missing.lock();
                    if missing.len() >= MAX_ERRORS {
                        return Err(DriverError::Errors);
                    }
                    missing.push((permission, subject.to_owned()));
                }
            }
        }
    }
}

/// Begins TLS if the settings want it. Returns whether they do.
#[cfg_attr(not(feature = "tls"), expect(unused_variables, reason = "there is no TLS"))]
async fn secured(
    settings: &Nats,
    servers: &Servers,
    server: &Address,
    stream: TcpStream,
    info: &Info,
    decoder: &Decoder,
) -> Result<(Box<dyn Stream>, bool), DriverError> {
    #[cfg(feature = "tls")]
    if let Some(tls) = settings.tls() {
        if !info.tls_required && !info.tls_available {
            return Err(DriverError::NoTls);
        }
        if !decoder.is_empty() {
            return Err(DriverError::BeforeTls);
        }
        let stream = tls.connect(stream, &server.host, servers.is_configured(server)).await?;
        return Ok((Box::new(stream), true));
    }
    if info.tls_required {
        return Err(DriverError::TlsRequired);
    }
    Ok((Box::new(stream), false))
}

/// The next operation.
async fn read(
    reader: &mut (impl AsyncRead + Unpin),
    decoder: &mut Decoder,
) -> Result<Operation, DriverError> {
    loop {
        if let Some(operation) = decoder.decode()? {
            return Ok(operation);
        }
        if reader.read_buf(decoder.space()).await? == 0 {
            return Err(DriverError::Ended);
        }
    }
}

async fn write(writer: &mut Writer, frames: &[Frame<'_>]) -> std::io::Result<()> {
    write_all(writer, frames).await?;
    writer.flush().await
}

async fn write_all(writer: &mut Writer, frames: &[Frame<'_>]) -> std::io::Result<()> {
    for frame in frames {
        writer.write_all(frame.line.as_bytes()).await?;
        if let Some(payload) = frame.payload {
            writer.write_all(payload).await?;
            writer.write_all(b"\r\n").await?;
        }
    }
    Ok(())
}
