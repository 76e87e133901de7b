//! Request queue of the backend: limits of queued webhooks and concurrent requests, retries, and the circuit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{Semaphore, watch};

use super::backend::{Backend, TryError};
use super::circuit::Circuit;
use super::counts::Counts;
use super::gate::{Gate, Refusal, Report, WaitLimits};
use crate::config::webhooks::{WebhookType, Webhooks as Settings};

/// Limit of the backoff between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

/// Fraction of the queue that is reserved for `connect`: one part in this many.
const RESERVED: usize = 16;

/// Request queue of the backend.
#[derive(Debug)]
pub(super) struct RequestQueue {
    backend: Backend,
    gate: Gate,
    /// Permits for concurrent requests.
    permits: Semaphore,
    usage: watch::Sender<Usage>,
    /// Limit for `connect` webhooks.
    limit: Usage,
    /// Limit for all other webhooks, which leaves a reserve for `connect`.
    others_limit: Usage,
    retries: u32,
    backoff: Duration,
    /// Timeout of one attempt.
    timeout: Duration,
    repeat_events: bool,
    counts: Counts,
}

/// Number and bytes of the webhooks that are under way or queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) calls: usize,
    pub(super) bytes: usize,
}

impl Usage {
    /// Adds a webhook of `bytes` bytes. Returns `false`, without a change, if it exceeds the limit.
    pub(super) fn take(&mut self, bytes: usize, limit: Self) -> bool {
        let after = Self { calls: self.calls + 1, bytes: self.bytes.saturating_add(bytes) };
        let fits = after.calls <= limit.calls && after.bytes <= limit.bytes;
        if fits {
            *self = after;
        }
        fits
    }

    pub(super) fn release(&mut self, bytes: usize) {
        self.calls -= 1;
        self.bytes -= bytes;
    }

    /// Limit without the reserve: a sixteenth less, and at least one webhook less if there is more than one.
    fn without_reserve(self) -> Self {
        let calls = self.calls.saturating_sub((self.calls / RESERVED).max(1)).max(1);
        Self { calls, bytes: self.bytes - self.bytes / RESERVED }
    }
}

/// Reservation in the request queue for one webhook, freed on drop.
#[derive(Debug)]
pub(super) struct QueueSlot {
    queue: Arc<RequestQueue>,
    bytes: usize,
}

/// Error of a webhook, after all its attempts.
#[derive(Debug, Error)]
pub(super) enum CallError {
    #[error("the webhook queue is full")]
    Full,
    #[error("the webhook queue of this client is full")]
    QuotaFull,
    #[error("the backend is unavailable")]
    Open,
    #[error("the state of the backend was not known in time")]
    Undecided,
    #[error("the webhook was queued for too long")]
    Queued,
    #[error("the backend did not respond in time")]
    TooLate,
    #[error("too little time was left for the response of the backend")]
    CutOff,
    #[error(transparent)]
    Try(#[from] TryError),
}

impl CallError {
    /// Label of the error in the metrics.
    fn label(&self) -> &'static str {
        match self {
            Self::Full | Self::QuotaFull => "full",
            Self::Open | Self::Undecided => "open",
            Self::Queued => "queued",
            Self::TooLate | Self::CutOff | Self::Try(TryError::TimedOut) => "timeout",
            Self::Try(TryError::Unreachable(_)) => "unreachable",
            Self::Try(TryError::Broken) => "broken",
            Self::Try(TryError::Status(_)) => "status",
            Self::Try(TryError::TooLong) => "too_long",
        }
    }

    /// Whether the backend cannot have processed the webhook.
    pub(super) fn is_unseen(&self) -> bool {
        match self {
            Self::Full | Self::QuotaFull | Self::Open | Self::Undecided | Self::Queued => true,
            Self::TooLate | Self::CutOff => false,
            Self::Try(error) => error.is_unseen(),
        }
    }

    /// Whether the backend is down, so that `when_down` applies. Errors that a client can provoke, such as a
    /// full queue, do not count: otherwise a client could bypass the backend's decision.
    pub(super) fn is_down(&self) -> bool {
        match self {
            Self::Open | Self::Undecided | Self::TooLate => true,
            Self::Full | Self::QuotaFull | Self::Queued | Self::CutOff => false,
            Self::Try(error) => error.is_down(),
        }
    }

    /// Whether the same webhook may succeed later.
    pub(super) fn is_temporary(&self) -> bool {
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

/// Webhook under way, with its progress.
struct Attempts<'a> {
    kind: WebhookType,
    id: &'a str,
    body: Bytes,
    /// Deadline of all attempts.
    deadline: Option<Instant>,
    report: Report<'a>,
    step: Step,
    /// Error of the earlier attempts. An error after which the backend may know of the webhook takes
    /// precedence.
    failed: Option<CallError>,
}

/// Current step of a webhook. It decides which error is reported at the deadline.
#[derive(Clone, Copy)]
enum Step {
    /// Waits for the circuit.
    Gate,
    /// Waits for a permit to send a request.
    Queue,
    /// A request has been under way since this time.
    Request(Instant),
    /// Waits before the next attempt.
    Backoff,
}

impl RequestQueue {
    pub(super) fn new(backend: Backend, settings: &Settings) -> Self {
        let limit = Usage { calls: settings.max_waiting, bytes: settings.max_waiting_bytes };
        Self {
            backend,
            gate: Gate::new(Circuit::new(settings.failures, Duration::from_millis(settings.open_ms))),
            permits: Semaphore::new(settings.max_concurrent.min(Semaphore::MAX_PERMITS)),
            usage: watch::Sender::default(),
            limit,
            others_limit: limit.without_reserve(),
            retries: settings.retries,
            backoff: Duration::from_millis(settings.backoff_ms),
            timeout: Duration::from_millis(settings.timeout_ms),
            repeat_events: settings.repeat_events,
            counts: Counts::default(),
        }
    }

    /// Reserves a place for a webhook of `bytes` bytes.
    pub(super) fn reserve(self: &Arc<Self>, kind: WebhookType, bytes: usize) -> Result<QueueSlot, CallError> {
        let limit = if kind == WebhookType::Connect { self.limit } else { self.others_limit };
        let taken = self.usage.send_if_modified(|usage| usage.take(bytes, limit));
        if taken {
            return Ok(QueueSlot { queue: Arc::clone(self), bytes });
        }
        self.counts.add(kind, CallError::Full.label());
        Err(CallError::Full)
    }

    /// Sends a webhook, with retries. All attempts have the same id and body.
    pub(super) async fn call(
        &self,
        kind: WebhookType,
        id: &str,
        body: Bytes,
        limit: Option<Duration>,
    ) -> Result<Bytes, CallError> {
        let begun = Instant::now();
        let deadline = limit.map(|limit| begun + limit);
        let report = self.gate.report();
        let mut attempts = Attempts { kind, id, body, deadline, report, step: Step::Gate, failed: None };
        let all_attempts = self.all_attempts(&mut attempts);
        let done = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), all_attempts).await.ok(),
            None => Some(all_attempts.await),
        };
        let done = done.unwrap_or_else(|| {
            Err(match (attempts.step, attempts.failed.take()) {
                (Step::Gate | Step::Queue | Step::Backoff, Some(error)) => error,
                (Step::Gate, None) => CallError::Undecided,
                (Step::Queue | Step::Backoff, None) => CallError::Queued,
                // If the webhook was queued for most of its time, the missing response does not show that the
                // backend is slow.
                (Step::Request(since), _) if limit.is_some_and(|limit| since.elapsed() < limit / 2) => {
                    CallError::CutOff
                }
                (Step::Request(_), _) => CallError::TooLate,
            })
        });
        self.counts.add(kind, done.as_ref().map_or_else(CallError::label, |_| "answered"));
        self.counts.took(begun.elapsed());
        done
    }

    async fn all_attempts(&self, attempts: &mut Attempts<'_>) -> Result<Bytes, CallError> {
        let mut tried = 0;
        loop {
            let error = match self.attempt(attempts).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            if tried == self.retries || !self.may_repeat(attempts.kind, &error) {
                // If any attempt may have reached the backend, its error is returned, even if the last
                // attempt did not.
                return Err(attempts
                    .failed
                    .take()
                    .filter(|failed| !failed.is_unseen() && error.is_unseen())
                    .unwrap_or(error));
            }
            if !error.is_unseen() || attempts.failed.as_ref().is_none_or(CallError::is_unseen) {
                attempts.failed = Some(error);
            }
            attempts.step = Step::Backoff;
            tried += 1;
            self.counts.retried();
            tokio::time::sleep(self.wait_before(tried)).await;
        }
    }

    async fn attempt(&self, attempts: &mut Attempts<'_>) -> Result<Bytes, CallError> {
        let _free = loop {
            attempts.step = Step::Gate;
            let limits = WaitLimits {
                deadline: attempts.deadline.unwrap_or_else(|| Instant::now() + self.timeout),
                while_open: attempts.kind == WebhookType::Connect,
            };
            attempts.report.pass(limits).await?;
            attempts.step = Step::Queue;
            // The semaphore is never closed.
            let permits = self.permits.acquire().await.map_err(|_| CallError::Open)?;
            // Earlier webhooks may have failed and opened the circuit in the meantime.
            if attempts.report.is_valid() {
                break permits;
            }
        };
        attempts.step = Step::Request(Instant::now());
        let done = self.backend.post(attempts.id, attempts.body.clone()).await;
        let failure = done.as_ref().err().filter(|error| error.is_failure());
        attempts.report.tried(failure.map(ToString::to_string));
        Ok(done?)
    }

    /// Whether a webhook is retried after this error. If the circuit refuses a webhook for which a client
    /// waits, it fails at once; no client waits for `disconnect`, so it is retried. Whether the backend may
    /// have processed the webhook matters for events only.
    fn may_repeat(&self, kind: WebhookType, error: &CallError) -> bool {
        match error {
            CallError::Open | CallError::Undecided => kind == WebhookType::Disconnect,
            CallError::Try(error) if error.is_failure() => {
                kind != WebhookType::Event || self.repeat_events || error.is_unseen()
            }
            _ => false,
        }
    }

    /// Backoff before retry number `tried`. It doubles each time, and is shortened at random by up to half,
    /// so that retries do not come all at once.
    fn wait_before(&self, tried: u32) -> Duration {
        let longest = self.backoff.saturating_mul(1 << (tried - 1).min(16)).min(MAX_BACKOFF);
        let mut random = [0; 4];
        // Without random numbers the backoff is not shortened.
        let _ = getrandom::fill(&mut random);
        let send_disconnect = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
        longest.mul_f64(1.0 - send_disconnect / 2.0)
    }

    /// Completes when no webhook is under way or queued.
    pub(super) async fn idle(&self) {
        // The channel cannot be closed, since `self` owns the sender.
        let _ = self.usage.subscribe().wait_for(|usage| usage.calls == 0).await;
    }

    pub(super) fn usage(&self) -> Usage {
        *self.usage.borrow()
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    pub(super) fn circuit<R>(&self, look: impl FnOnce(&mut Circuit) -> R) -> R {
        self.gate.circuit(look)
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        self.queue.usage.send_modify(|usage| usage.release(self.bytes));
    }
}
