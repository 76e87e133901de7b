//! Cost of stuck clients for a gateway and its other clients: `bench-slow-edge GATEWAY plain|tls CLIENTS
//! ROUNDS` prints one JSON object.
//!
//! Twenty clients send echo requests continuously. They run alternately alone and beside stuck clients of
//! every kind. A separate process runs the stuck clients (`bench-slow-edge stuck ADDR plain|tls CLIENTS`), so
//! that their cost does not count as the gateway's.

use std::error::Error;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tests::stuck::{KINDS, Kind, Line, Port};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The limits of the measured gateway. The longest is the heartbeat's, interval and timeout together.
const LIMITS: [&str; 5] = [
    "transport.ping_interval_ms=5000",
    "transport.ping_timeout_ms=5000",
    "transport.connect_timeout_ms=5000",
    "transport.head_timeout_ms=5000",
    "transport.body_timeout_ms=5000",
];
const LONGEST: Duration = Duration::from_secs(10);
/// Number of clients that read everything and send echo requests.
const OTHERS: usize = 20;
const EVERY: Duration = Duration::from_millis(40);
/// Duration of the phase without stuck clients.
const ALONE: Duration = Duration::from_secs(20);
/// Number of stuck clients that start at a time.
const AT_ONCE: usize = 64;
/// Sampling interval of memory and descriptors.
const LOOK: Duration = Duration::from_millis(250);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["stuck", addr, certificate, clients] => {
            stuck(Port { addr: addr.parse()?, tls: connector(certificate)? }, clients.parse()?).await
        }
        [program, tls @ ("plain" | "tls"), clients, rounds] => {
            println!("{}", measure(program, tls == "tls", clients, rounds.parse()?).await?);
            Ok(())
        }
        _ => Err("bench-slow-edge GATEWAY plain|tls CLIENTS ROUNDS".into()),
    }
}

/// A TLS connector that trusts the certificate in a file; none for `plain`.
fn connector(certificate: &str) -> Result<Option<TlsConnector>> {
    if certificate == "plain" {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Some(TlsConnector::from(Arc::new(config))))
}

/// The other process: starts clients of every kind, prints `begun` when all are stuck, and holds them until
/// its standard input ends.
async fn stuck(port: Port, clients: usize) -> Result<()> {
    let kinds: Vec<Kind> =
        KINDS.into_iter().filter(|kind| port.tls.is_some() || *kind != Kind::HalfTlsHandshake).collect();
    let (places, begun) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Semaphore::new(0)));
    for kind in kinds.into_iter().cycle().take(clients) {
        let (port, places, begun) = (port.clone(), Arc::clone(&places), Arc::clone(&begun));
        tokio::spawn(async move {
            let place = places.acquire_owned().await;
            let going_on = AtomicBool::new(true);
            let stuck = port.begin(kind, &going_on);
            tokio::pin!(stuck);
            let within = tokio::time::timeout(Duration::from_millis(500), &mut stuck).await;
            drop(place);
            begun.add_permits(1);
            let _line = match within {
                Ok(line) => line,
                Err(_) => stuck.await,
            };
            std::future::pending::<()>().await;
        });
    }
    let all = u32::try_from(clients)?;
    let _ = begun.acquire_many(all).await?;
    println!("begun");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

/// A running gateway.
struct Gateway {
    process: Child,
    addr: SocketAddr,
}

impl Gateway {
    async fn start(program: &str, tls: &[String]) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        drop(listener);
        let settings = LIMITS.iter().map(|limit| (*limit).to_owned()).chain(tls.iter().cloned());
        let process = Command::new("taskset")
            .args(["-c", "0", program, "--port", &addr.port().to_string()])
            .args(settings.flat_map(|setting| ["--set".to_owned(), setting]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let begun = Instant::now();
        while TcpStream::connect(addr).await.is_err() {
            if begun.elapsed() > LONGEST {
                return Err("the gateway does not listen".into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Self { process, addr })
    }

    /// Resident memory in bytes, and number of open descriptors.
    fn held(&self) -> Result<(u64, usize)> {
        let pid = self.process.id().ok_or("the gateway ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident: u64 = line.and_then(|line| line.split_whitespace().next()).ok_or("VmRSS")?.parse()?;
        Ok((resident * 1024, std::fs::read_dir(format!("/proc/{pid}/fd"))?.count()))
    }
}

/// Start time and latency of each request.
type Latencies = Arc<Mutex<Vec<(Instant, Duration)>>>;

async fn measure(program: &str, tls: bool, clients: &str, rounds: usize) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(&certificate, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    let files = [format!("tls.certificate={}", certificate.display()), format!("tls.key={}", key.display())];
    let gateway = Gateway::start(program, if tls { &files } else { &[] }).await?;
    let certificate = if tls { certificate.display().to_string() } else { "plain".to_owned() };

    let latencies = Latencies::default();
    let (failed, mut failure) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..OTHERS {
        let line = line(gateway.addr, connector(&certificate)?).await?;
        let (latencies, failed) = (Arc::clone(&latencies), failed.clone());
        tokio::spawn(async move {
            let Err(error) = echo(line, number, latencies).await;
            let _ = failed.send(error);
        });
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut results = Vec::new();
    for _ in 0..rounds {
        let result = round(&gateway, &certificate, clients, &latencies).await?;
        eprintln!("{result}");
        results.push(result);
        if let Ok(error) = failure.try_recv() {
            return Err(format!("a client that reads everything: {error}").into());
        }
        // Memory that jemalloc still retains of one round must not count in the next one.
        tokio::time::sleep(LONGEST).await;
    }
    Ok(json!({"tls": tls, "rounds": results}))
}

/// One phase without stuck clients, and one beside them.
async fn round(gateway: &Gateway, certificate: &str, clients: &str, latencies: &Latencies) -> Result<Value> {
    let alone = Instant::now();
    tokio::time::sleep(ALONE).await;
    let coming = Instant::now();
    let (resident, open) = gateway.held()?;
    let mut process = Command::new("nice")
        .args(["-n", "19"])
        .arg(std::env::current_exe()?)
        .args(["stuck", &gateway.addr.to_string(), certificate, clients])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(process.stdout.take().ok_or("it is piped")?).lines();
    let (mut peak, mut peak_open) = (resident, open);
    let mut look = tokio::time::interval(LOOK);
    let staying = loop {
        tokio::select! {
            line = lines.next_line() => {
                line?.ok_or("the stuck clients could not begin")?;
                break Instant::now();
            }
            _ = look.tick() => {}
        }
        let held = gateway.held()?;
        (peak, peak_open) = (peak.max(held.0), peak_open.max(held.1));
    };
    let mut back = None;
    while staying.elapsed() < 2 * LONGEST {
        look.tick().await;
        let held = gateway.held()?;
        (peak, peak_open) = (peak.max(held.0), peak_open.max(held.1));
        if held.1 <= open {
            back.get_or_insert(staying.elapsed().as_secs_f64());
        }
    }
    let (after, still_open) = gateway.held()?;
    let end = Instant::now();
    process.kill().await?;
    Ok(json!({
        "p99_alone_us": p99(latencies, alone, coming),
        "p99_coming_us": p99(latencies, coming, staying),
        "p99_us": p99(latencies, staying, end),
        "coming_s": (staying - coming).as_secs_f64(),
        "back_s": back,
        "resident": resident,
        "peak": peak,
        "after": after,
        "open": open,
        "peak_open": peak_open,
        "still_open": still_open,
    }))
}

async fn line(addr: SocketAddr, tls: Option<TlsConnector>) -> Result<Line> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    Ok(Box::new(tls.connect(ServerName::try_from("localhost")?, stream).await?))
}

/// A client that sends echo requests continuously.
async fn echo(line: Line, number: usize, latencies: Latencies) -> Result<std::convert::Infallible> {
    let url = "ws://localhost/socket.io/?EIO=4&transport=websocket";
    let (mut ws, _) = tokio_tungstenite::client_async(url, line).await?;
    ws.send(Message::text("40")).await?;
    let request = format!("42{}", json!(["echo", "x".repeat(32)]));
    // The clients start at different times.
    let start = tokio::time::Instant::now() + EVERY * u32::try_from(number)? / u32::try_from(OTHERS)?;
    let mut ticks = tokio::time::interval_at(start + Duration::from_secs(1), EVERY);
    let mut asked = None;
    loop {
        tokio::select! {
            _ = ticks.tick(), if asked.is_none() => {
                asked = Some(Instant::now());
                ws.send(Message::text(request.as_str())).await?;
            }
            message = ws.next() => {
                let message = message.ok_or("its connection ended")??;
                let Message::Text(text) = message else { return Err(format!("it got {message}").into()) };
                if text.as_str() == "2" {
                    ws.send(Message::text("3")).await?;
                } else if text.starts_with(r#"42["echo_response""#) {
                    let asked = asked.take().ok_or("a response without a request")?;
                    lock(&latencies).push((asked, asked.elapsed()));
                }
            }
        }
    }
}

/// The p99 latency of the requests between two times, in microseconds.
fn p99(latencies: &Latencies, from: Instant, to: Instant) -> Option<f64> {
    let all = lock(latencies);
    let within = all.iter().filter(|(asked, _)| (from..to).contains(asked)).map(|(_, took)| *took);
    let mut within: Vec<Duration> = within.collect();
    within.sort_unstable();
    within.get(within.len() * 99 / 100).map(|took| took.as_secs_f64() * 1e6)
}

fn lock(latencies: &Latencies) -> std::sync::MutexGuard<'_, Vec<(Instant, Duration)>> {
    latencies.lock().unwrap_or_else(PoisonError::into_inner)
}
