//! The tasks that ask the sentinels: one for each, so that a slow one delays none of the others.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use redis::{Client, Cmd, PushKind, Value};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::super::DriverError;
use super::super::address::Address;
use super::super::redis::{Connected, Profile};
use super::report::{Report, choose};
use crate::trace;
use socketio_broker::backoff::{Backoff, jittered};
use socketio_broker::stats::{Counters, count};

/// Maximum number of sentinels.
pub(crate) const MAX_SENTINELS: usize = 16;

/// A sentinel is asked so often although it tells of changes by itself: a message may be lost.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Minimum time between two questions to a sentinel, whatever it sends.
const PAUSE: Duration = Duration::from_millis(20);

/// Watches which server is the master. The tasks end on drop.
pub(crate) struct Watcher {
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

struct State {
    service: String,
    profile: Profile,
    /// The latest report of each sentinel that is connected.
    reports: Mutex<Vec<Option<Report>>>,
    master: watch::Sender<Option<Address>>,
    asked: Notify,
    counters: Arc<Counters>,
}

impl Watcher {
    /// Starts a task for each sentinel.
    pub(crate) fn start(
        service: &str,
        sentinels: Vec<Client>,
        profile: &Profile,
        backoff: &Backoff,
        counters: &Arc<Counters>,
    ) -> Self {
        let state = Arc::new(State {
            service: service.to_owned(),
            profile: profile.clone(),
            reports: Mutex::new(vec![None; sentinels.len()]),
            master: watch::channel(None).0,
            asked: Notify::new(),
            counters: Arc::clone(counters),
        });
        let mut tasks = JoinSet::new();
        for (number, sentinel) in sentinels.into_iter().enumerate() {
            tasks.spawn(watch(Arc::clone(&state), number, sentinel, backoff.clone()));
        }
        Self { state, _tasks: tasks }
    }

    /// The master. Waits up to this time until a sentinel has named one.
    pub(crate) async fn master(&self, wait: Duration) -> Result<Address, DriverError> {
        let mut master = self.state.master.subscribe();
        let known = tokio::time::timeout(wait, master.wait_for(Option::is_some)).await;
        let known = known.ok().and_then(Result::ok).and_then(|master| master.clone());
        known.ok_or_else(|| DriverError::NoMaster(self.state.service.clone()))
    }

    /// Returns when this server is not the master any more.
    pub(crate) fn demoted(&self, address: Address) -> impl Future<Output = ()> + Send + 'static {
        let mut master = self.state.master.subscribe();
        async move {
            let _ = master.wait_for(|master| master.as_ref() != Some(&address)).await;
        }
    }

    /// Asks the sentinels now.
    pub(crate) fn ask(&self) {
        self.state.asked.notify_waiters();
    }
}

impl State {
    /// A sentinel says something else, or cannot be asked.
    fn report(&self, number: usize, report: Option<Report>) {
        let mut reports = self.reports.lock();
        reports[number] = report;
        // Without any sentinel the master stays.
        let Some(chosen) = choose(&reports) else { return };
        let before = self.master.borrow().clone();
        if before.as_ref() == Some(chosen) {
            return;
        }
        if before.is_some() {
            count(&self.counters.failovers, 1);
        }
        trace::master(&self.service, chosen);
        self.master.send_replace(Some(chosen.clone()));
    }
}

/// Asks a sentinel until the driver is dropped.
async fn watch(state: Arc<State>, number: usize, sentinel: Client, mut backoff: Backoff) {
    loop {
        let error = follow(&state, number, &sentinel, || backoff.connected()).await;
        state.report(number, None);
        count(&state.counters.failed_connections, 1);
        if let Err(error) = error {
            socketio_broker::trace::not_connected(trace::BROKER, "sentinel", &error);
        }
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// Asks a sentinel whenever something may have changed, until its connection is lost.
async fn follow(
    state: &State,
    number: usize,
    sentinel: &Client,
    connected: impl FnOnce(),
) -> Result<(), DriverError> {
    let changed = Arc::new(Notify::new());
    let switched = Arc::clone(&changed);
    let opening = state.profile.connect(sentinel, "sentinel", Duration::ZERO, move |info| {
        if info.kind == PushKind::Message {
            switched.notify_one();
        }
    });
    let opened = tokio::time::timeout(state.profile.timeout, opening).await;
    let mut connection = opened.map_err(|_| DriverError::new("no answer in time"))??;
    let mut subscribe = Cmd::new();
    subscribe.arg("SUBSCRIBE").arg("+switch-master");
    if let Value::ServerError(error) = connection.ask(&subscribe).await? {
        return Err(DriverError::new(error));
    }
    connected();
    loop {
        // What happens from here on is noticed, so that it is asked for again.
        let asked = state.asked.notified();
        let report = ask(&mut connection, &state.service).await?;
        state.report(number, Some(report));
        tokio::select! {
            () = changed.notified() => {}
            () = asked => {}
            () = tokio::time::sleep(jittered(POLL_INTERVAL)) => {}
            () = connection.ended() => return Err(DriverError::Ended),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(connection: &mut Connected, service: &str) -> Result<Report, DriverError> {
    let mut command = Cmd::new();
    command.arg("SENTINEL").arg("MASTER").arg(service);
    Report::read(connection.ask(&command).await?)
}
