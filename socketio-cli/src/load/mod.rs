//! `sio load`: opens many connections, and measures the latency of connections, acknowledgements and
//! broadcasts.

mod latency;
mod phase;
mod progress;

use std::error::Error;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engineio::sync::Mutex;
use futures_util::{StreamExt, stream};
use socketio_client::{Data, DisconnectReason, Socket};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use self::phase::Phase;
use self::progress::Progress;
use crate::arguments::{Load, Server};

pub(crate) async fn run(arguments: &Load) -> Result<ExitCode, Box<dyn Error>> {
    let mut progress = Progress::new();
    let mut healthy = true;
    let mut report = |phase: &Phase, progress: &Progress| {
        progress.clear();
        healthy &= phase.is_healthy();
        phase.print(arguments.json)
    };
    let (sockets, phase) = open(arguments, &mut progress).await?;
    report(&phase, &progress)?;
    let lost = Arc::new(AtomicUsize::new(0));
    for socket in &sockets {
        let lost = Arc::clone(&lost);
        socket.on_disconnect(move |reason: DisconnectReason| {
            let is_lost = !matches!(reason, DisconnectReason::ClientDisconnect);
            lost.fetch_add(usize::from(is_lost), Ordering::Relaxed);
            async {}
        });
    }
    if let Some(event) = &arguments.echo {
        report(&echo(arguments, event, &sockets, &mut progress).await?, &progress)?;
    }
    if let Some(event) = &arguments.broadcast {
        report(&broadcast(arguments, event, &sockets, &mut progress).await?, &progress)?;
    }
    let closing = sockets.iter().map(|socket| timeout(arguments.server.timeout, socket.close()));
    stream::iter(closing).buffer_unordered(arguments.at_once).for_each(|_| async {}).await;
    // All disconnect handlers have run by now.
    let mut phase = Phase::new("lost")?;
    phase.failed_times("a connection was lost", lost.load(Ordering::Relaxed));
    if !phase.is_healthy() {
        report(&phase, &progress)?;
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Opens the connections. Returns the sockets that are connected.
async fn open(arguments: &Load, progress: &mut Progress) -> Result<(Vec<Socket>, Phase), Box<dyn Error>> {
    let mut phase = Phase::new("connect")?;
    let mut sockets = Vec::new();
    let attempts = (0..arguments.connections).map(|_| join(&arguments.server));
    let mut attempts = pin!(stream::iter(attempts).buffer_unordered(arguments.at_once).enumerate());
    while let Some((done, attempt)) = attempts.next().await {
        match attempt {
            Ok((socket, latency)) => {
                phase.record(latency);
                sockets.push(socket);
            }
            Err(error) => phase.failed(&error),
        }
        progress.show("connect", done + 1, arguments.connections);
    }
    phase.end();
    Ok((sockets, phase))
}

/// Opens one connection. Returns the time until its namespace was connected.
async fn join(server: &Server) -> Result<(Socket, Duration), String> {
    let socket = server.socket().map_err(|error| error.to_string())?;
    let begun = Instant::now();
    match timeout(server.timeout, socket.connect().connected()).await {
        Ok(Ok(())) => Ok((socket, begun.elapsed())),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("not connected within {:?}", server.timeout)),
    }
}

/// Echo phase: every connection emits an event, waits for its acknowledgement and pauses, until the duration
/// is over.
async fn echo(
    arguments: &Load,
    event: &str,
    sockets: &[Socket],
    progress: &mut Progress,
) -> Result<Phase, Box<dyn Error>> {
    let mut phase = Phase::new("echo")?;
    let (sender, mut results) = mpsc::unbounded_channel();
    let begun = Instant::now();
    let text: Arc<str> = "x".repeat(arguments.bytes).into();
    for (index, socket) in sockets.iter().enumerate() {
        let (socket, sender) = (socket.timeout(arguments.server.timeout), sender.clone());
        let (event, text) = (event.to_owned(), Arc::clone(&text));
        let (interval, duration) = (arguments.interval, arguments.duration);
        // Spread over the interval, so that the connections do not emit at the same instant.
        let delay = interval.mul_f64(index as f64 / sockets.len() as f64);
        tokio::spawn(async move {
            sleep(delay).await;
            loop {
                let sent = Instant::now();
                let response = socket.emit_with_ack_args(&event, &*text).await;
                let failed = response.is_err();
                let result = response.map(|_| sent.elapsed()).map_err(|error| error.to_string());
                if sender.send(result).is_err() || failed || begun.elapsed() >= duration {
                    return;
                }
                sleep(interval).await;
            }
        });
    }
    drop(sender);
    while let Some(result) = results.recv().await {
        match result {
            Ok(latency) => phase.record(latency),
            Err(error) => phase.failed(&error),
        }
        show_time("echo", begun, arguments.duration, progress);
    }
    phase.end();
    Ok(phase)
}

/// One broadcast, while its copies arrive.
struct Round {
    number: u64,
    begun: Instant,
    arrived: usize,
    phase: Phase,
}

/// Broadcast phase: one additional connection emits an event that the server broadcasts. The next event
/// follows when the event has arrived at all other connections and the interval has passed.
async fn broadcast(
    arguments: &Load,
    event: &str,
    sockets: &[Socket],
    progress: &mut Progress,
) -> Result<Phase, Box<dyn Error>> {
    let begun = Instant::now();
    let phase = Phase::new("broadcast")?;
    if sockets.is_empty() {
        return Ok(phase);
    }
    let round = Arc::new(Mutex::new(Round { number: 0, begun, arrived: 0, phase }));
    let complete = Arc::new(Notify::new());
    let expected = sockets.len();
    for socket in sockets {
        let (round, complete) = (Arc::clone(&round), Arc::clone(&complete));
        socket.on(event, move |Data(number): Data<u64>| {
            let mut round = round.lock();
            // Late copies have been counted as missing already.
            if number == round.number {
                let latency = round.begun.elapsed();
                round.phase.record(latency);
                round.arrived += 1;
                if round.arrived == expected {
                    complete.notify_one();
                }
            }
            async {}
        });
    }
    let (sender, _) = join(&arguments.server).await?;
    loop {
        let number = {
            let mut round = round.lock();
            round.number += 1;
            round.begun = Instant::now();
            round.arrived = 0;
            round.number
        };
        sender.emit(event, &number)?;
        if timeout(arguments.server.timeout, complete.notified()).await.is_err() {
            let mut round = round.lock();
            // Copies that arrive from now on are late.
            round.number += 1;
            let missing = expected - round.arrived;
            round.phase.failed_times("an event did not arrive in time", missing);
            break;
        }
        show_time("broadcast", begun, arguments.duration, progress);
        if begun.elapsed() >= arguments.duration {
            break;
        }
        sleep(arguments.interval).await;
    }
    sender.close().await;
    for socket in sockets {
        socket.off_event(event);
    }
    let mut phase = std::mem::replace(&mut round.lock().phase, Phase::new("broadcast")?);
    phase.end();
    Ok(phase)
}

fn show_time(phase: &str, begun: Instant, duration: Duration, progress: &mut Progress) {
    let seconds = |duration: Duration| usize::try_from(duration.as_secs()).unwrap_or(usize::MAX);
    progress.show(phase, seconds(begun.elapsed().min(duration)), seconds(duration));
}
