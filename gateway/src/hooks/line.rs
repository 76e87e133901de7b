//! The line to the backend: how many calls may be under way or wait, when one is tried again, and when none is made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{Semaphore, watch};

use super::backend::{Backend, TryError};
use super::circuit::Circuit;
use super::counts::Counts;
use super::gate::{Gate, Patience, Refusal, Report};
use crate::config::hooks::{Hooks as Settings, Moment};

/// No wait between two tries is longer.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// One part in so many of the line is for calls of `connect` alone.
const RESERVED: usize = 16;

/// The line to the backend.
#[derive(Debug)]
pub(super) struct Line {
    backend: Backend,
    gate: Gate,
    /// Requests that may be made beside those that are.
    free: Semaphore,
    held: watch::Sender<Held>,
    /// For calls of `connect`.
    limit: Held,
    /// For the others, so that there is room for `connect`.
    others_limit: Held,
    retries: u32,
    backoff: Duration,
    /// How long one try may take.
    timeout: Duration,
    repeat_events: bool,
    counts: Counts,
}

/// Calls that are under way or wait, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) calls: usize,
    pub(super) bytes: usize,
}

impl Held {
    /// Takes room for a call of so many bytes, if there is some.
    pub(super) fn take(&mut self, bytes: usize, limit: Self) -> bool {
        let after = Self { calls: self.calls + 1, bytes: self.bytes.saturating_add(bytes) };
        let fits = after.calls <= limit.calls && after.bytes <= limit.bytes;
        if fits {
            *self = after;
        }
        fits
    }

    pub(super) fn free(&mut self, bytes: usize) {
        self.calls -= 1;
        self.bytes -= bytes;
    }

    /// A sixteenth less, and at least one call less, where there is more than one.
    fn without_reserve(self) -> Self {
        let calls = self.calls.saturating_sub((self.calls / RESERVED).max(1)).max(1);
        Self { calls, bytes: self.bytes - self.bytes / RESERVED }
    }
}

/// A call's place in the line.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Line>,
    bytes: usize,
}

/// Why a call was not answered.
#[derive(Debug, Error)]
pub(super) enum CallError {
    #[error("too many calls wait for the backend")]
    Full,
    #[error("too many events of this client wait for the backend")]
    ShareFull,
    #[error("the backend does not work")]
    Open,
    #[error("whether the backend works was not known in time")]
    Undecided,
    #[error("too many calls were made before this one")]
    Queued,
    #[error("the backend did not answer in time")]
    TooLate,
    #[error("too little time was left for the backend to answer")]
    CutOff,
    #[error(transparent)]
    Try(#[from] TryError),
}

impl CallError {
    /// For the metrics.
    fn word(&self) -> &'static str {
        match self {
            Self::Full | Self::ShareFull => "full",
            Self::Open | Self::Undecided => "open",
            Self::Queued => "queued",
            Self::TooLate | Self::CutOff | Self::Try(TryError::TimedOut) => "timeout",
            Self::Try(TryError::Unreachable(_)) => "unreachable",
            Self::Try(TryError::Broken) => "broken",
            Self::Try(TryError::Status(_)) => "status",
            Self::Try(TryError::TooLong) => "too_long",
        }
    }

    /// Whether the backend cannot have seen the call.
    pub(super) fn is_unseen(&self) -> bool {
        match self {
            Self::Full | Self::ShareFull | Self::Open | Self::Undecided | Self::Queued => true,
            Self::TooLate | Self::CutOff => false,
            Self::Try(error) => error.is_unseen(),
        }
    }

    /// Whether the backend is down, so that its judgement cannot be had. What a client can bring about is not that.
    pub(super) fn is_down(&self) -> bool {
        match self {
            Self::Open | Self::Undecided | Self::TooLate => true,
            Self::Full | Self::ShareFull | Self::Queued | Self::CutOff => false,
            Self::Try(error) => error.is_down(),
        }
    }

    /// Whether the same call may be answered later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Try(error) => error.is_failure(),
            _ => true,
        }
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Open => Self::Open,
            Refusal::Undecided => Self::Undecided,
        }
    }
}

/// A call that is made, and how far it has come.
struct Calling<'a> {
    moment: Moment,
    id: &'a str,
    body: Bytes,
    /// When it is given up.
    deadline: Option<Instant>,
    report: Report<'a>,
    step: Step,
    /// Why the tries before failed: if the backend may know of the call by one of them, why that one did.
    failed: Option<CallError>,
}

/// What a call does. One that is cut off is told it.
#[derive(Clone, Copy)]
enum Step {
    /// It waits for the circuit.
    Gate,
    /// It waits until fewer requests are under way.
    Queue,
    /// A request is under way since then.
    Request(Instant),
    /// It waits before the next try.
    Backoff,
}

impl Line {
    pub(super) fn new(backend: Backend, settings: &Settings) -> Self {
        let limit = Held { calls: settings.max_waiting, bytes: settings.max_waiting_bytes };
        Self {
            backend,
            gate: Gate::new(Circuit::new(settings.failures, Duration::from_millis(settings.open_ms))),
            free: Semaphore::new(settings.max_concurrent.min(Semaphore::MAX_PERMITS)),
            held: watch::Sender::default(),
            limit,
            others_limit: limit.without_reserve(),
            retries: settings.retries,
            backoff: Duration::from_millis(settings.backoff_ms),
            timeout: Duration::from_millis(settings.timeout_ms),
            repeat_events: settings.repeat_events,
            counts: Counts::default(),
        }
    }

    /// A place for a call of so many bytes.
    pub(super) fn place(self: &Arc<Self>, moment: Moment, bytes: usize) -> Result<Place, CallError> {
        let limit = if moment == Moment::Connect { self.limit } else { self.others_limit };
        let taken = self.held.send_if_modified(|held| held.take(bytes, limit));
        if taken {
            return Ok(Place { line: Arc::clone(self), bytes });
        }
        self.counts.add(moment, CallError::Full.word());
        Err(CallError::Full)
    }

    /// Makes a call, several times if need be. All tries have the same id and body.
    pub(super) async fn call(
        &self,
        moment: Moment,
        id: &str,
        body: Bytes,
        limit: Option<Duration>,
    ) -> Result<Bytes, CallError> {
        let begun = Instant::now();
        let deadline = limit.map(|limit| begun + limit);
        let report = self.gate.report();
        let mut calling = Calling { moment, id, body, deadline, report, step: Step::Gate, failed: None };
        let tries = self.tries(&mut calling);
        let done = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), tries).await.ok(),
            None => Some(tries.await),
        };
        let done = done.unwrap_or_else(|| {
            Err(match (calling.step, calling.failed.take()) {
                (Step::Gate | Step::Queue | Step::Backoff, Some(error)) => error,
                (Step::Gate, None) => CallError::Undecided,
                (Step::Queue | Step::Backoff, None) => CallError::Queued,
                // Who waited for most of the time does not know whether the backend is slow.
                (Step::Request(since), _) if limit.is_some_and(|limit| since.elapsed() < limit / 2) => {
                    CallError::CutOff
                }
                (Step::Request(_), _) => CallError::TooLate,
            })
        });
        self.counts.add(moment, done.as_ref().map_or_else(CallError::word, |_| "answered"));
        self.counts.took(begun.elapsed());
        done
    }

    async fn tries(&self, calling: &mut Calling<'_>) -> Result<Bytes, CallError> {
        let mut tried = 0;
        loop {
            let error = match self.once(calling).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if tried == self.retries || !self.may_repeat(calling.moment, &error) {
                // That the last try was not seen does not mean that none was.
                return Err(calling
                    .failed
                    .take()
                    .filter(|failed| !failed.is_unseen() && error.is_unseen())
                    .unwrap_or(error));
            }
            if !error.is_unseen() || calling.failed.as_ref().is_none_or(CallError::is_unseen) {
                calling.failed = Some(error);
            }
            calling.step = Step::Backoff;
            tried += 1;
            self.counts.again();
            tokio::time::sleep(self.wait_before(tried)).await;
        }
    }

    async fn once(&self, calling: &mut Calling<'_>) -> Result<Bytes, CallError> {
        let _free = loop {
            calling.step = Step::Gate;
            let patience = Patience {
                deadline: calling.deadline.unwrap_or_else(|| Instant::now() + self.timeout),
                while_open: calling.moment == Moment::Connect,
            };
            calling.report.pass(patience).await?;
            calling.step = Step::Queue;
            // It is never closed.
            let free = self.free.acquire().await.map_err(|_| CallError::Open)?;
            // In the meantime those before it may have failed.
            if calling.report.is_good() {
                break free;
            }
        };
        calling.step = Step::Request(Instant::now());
        let done = self.backend.post(calling.id, calling.body.clone()).await;
        let failure = done.as_ref().err().filter(|error| error.is_failure());
        calling.report.tried(failure.map(ToString::to_string));
        Ok(done?)
    }

    /// Whoever waits for a call that the circuit refuses would rather know at once; nobody waits for `disconnect`, and
    /// it should arrive. Whether the backend has seen the call matters for events alone.
    fn may_repeat(&self, moment: Moment, error: &CallError) -> bool {
        match error {
            CallError::Open | CallError::Undecided => moment == Moment::Disconnect,
            CallError::Try(error) if error.is_failure() => {
                moment != Moment::Event || self.repeat_events || error.is_unseen()
            }
            _ => false,
        }
    }

    /// Twice as long each time, less something up to the half, so that not all calls come back at once.
    fn wait_before(&self, tried: u32) -> Duration {
        let longest = self.backoff.saturating_mul(1 << (tried - 1).min(16)).min(MAX_BACKOFF);
        let mut random = [0; 4];
        // Without random numbers they come back at once.
        let _ = getrandom::fill(&mut random);
        let part = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        longest.mul_f64(1.0 - part / 2.0)
    }

    /// Returns when no call is under way, and none waits.
    pub(super) async fn idle(&self) {
        // The sender is ours.
        let _ = self.held.subscribe().wait_for(|held| held.calls == 0).await;
    }

    pub(super) fn held(&self) -> Held {
        *self.held.borrow()
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn circuit<R>(&self, look: impl FnOnce(&mut Circuit) -> R) -> R {
        self.gate.circuit(look)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.held.send_modify(|held| held.free(self.bytes));
    }
}
