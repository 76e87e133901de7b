//! The servers of a cluster: which there are, and connections to them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use engineio::sync::Mutex;
use redis::{Client, Cmd, ConnectionInfo, PushInfo};
use tokio::time::Instant;

use super::super::DriverError;
use super::super::address::Address;
use super::super::redis::{Connected, Profile};
use super::slots::SlotMap;
use crate::trace::BROKER;
use socketio_broker::backoff::{Backoff, jittered};
use socketio_broker::stats::{Counters, count};
use socketio_broker::trace;

/// Maximum number of servers that the settings name.
pub(crate) const MAX_SEEDS: usize = 16;

/// Minimum time between two reads of the slots.
const PAUSE: Duration = Duration::from_millis(500);

/// The servers of a cluster.
pub(crate) struct Nodes {
    /// The settings of connections, without the address.
    settings: ConnectionInfo,
    seeds: Vec<Address>,
    profile: Profile,
    backoff: Backoff,
    slots: Mutex<SlotMap>,
    /// When the slots were read. Held while they are.
    read: tokio::sync::Mutex<Option<Instant>>,
    /// Servers that could not be reached, and when they are tried again.
    resting: Mutex<HashMap<Address, (Backoff, Instant)>>,
    counters: Arc<Counters>,
}

impl Nodes {
    pub(crate) fn new(
        settings: ConnectionInfo,
        seeds: Vec<Address>,
        profile: Profile,
        backoff: Backoff,
        counters: &Arc<Counters>,
    ) -> Self {
        Self {
            settings,
            seeds,
            // A server that hangs must not use up the time of the others.
            profile: Profile { timeout: profile.timeout / 3, ..profile },
            backoff,
            slots: Mutex::default(),
            read: tokio::sync::Mutex::new(None),
            resting: Mutex::default(),
            counters: Arc::clone(counters),
        }
    }

    /// Maximum wait for a server.
    pub(super) fn timeout(&self) -> Duration {
        self.profile.timeout
    }

    /// The master of a slot. Reads the slots if it is not known.
    pub(super) async fn owner(&self, slot: u16) -> Result<Address, DriverError> {
        if let Some(owner) = self.slots.lock().owner(slot) {
            return Ok(owner.clone());
        }
        self.refresh().await;
        self.slots.lock().owner(slot).cloned().ok_or(DriverError::NoOwner(slot))
    }

    /// All servers that are known.
    #[cfg(feature = "adapter")]
    pub(super) fn all(&self) -> Vec<Address> {
        self.slots.lock().servers().iter().cloned().collect()
    }

    /// A redirection names the owner of the slot.
    pub(super) fn moved(&self, slot: u16, owner: &Address) {
        self.redirected();
        self.slots.lock().moved(slot, owner);
    }

    /// A command was sent elsewhere.
    pub(super) fn redirected(&self) {
        count(&self.counters.redirections, 1);
    }

    /// Opens a connection to a server. One that could not be reached is not tried again at once.
    pub(super) async fn open(
        &self,
        address: &Address,
        purpose: &str,
        wait: Duration,
        pushed: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Connected, DriverError> {
        if self.resting.lock().get(address).is_some_and(|(_, until)| Instant::now() < *until) {
            return Err(DriverError::Resting(address.clone()));
        }
        let client = Client::open(address.with(&self.settings))?;
        let opening = self.profile.connect(&client, purpose, wait, pushed);
        let opened = match tokio::time::timeout(self.profile.timeout, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(DriverError::new("no answer in time")),
        };
        match &opened {
            Ok(_) => _ = self.resting.lock().remove(address),
            Err(error) => self.failed(address, error),
        }
        opened
    }

    /// A server could not be reached, or its connection is lost.
    fn failed(&self, address: &Address, error: &DriverError) {
        count(&self.counters.failed_connections, 1);
        trace::not_connected(BROKER, "cluster", &format_args!("{address}: {error}"));
        let mut resting = self.resting.lock();
        // Servers that left the cluster.
        if resting.len() > 2 * self.seeds.len() + self.slots.lock().servers().len() {
            resting.clear();
        }
        let (backoff, until) =
            resting.entry(address.clone()).or_insert_with(|| (self.backoff.clone(), Instant::now()));
        *until = Instant::now() + backoff.next_delay();
    }

    /// A connection to any server, a master if possible.
    pub(super) async fn open_any(
        &self,
        purpose: &str,
        pushed: impl Fn(PushInfo) + Clone + Send + Sync + 'static,
    ) -> Result<(Address, Connected), DriverError> {
        self.refresh().await;
        let mut last = DriverError::NoServer;
        for address in self.candidates() {
            match self.open(&address, purpose, Duration::ZERO, pushed.clone()).await {
                Ok(connected) => return Ok((address, connected)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The masters, and then the servers of the settings; each time another one first.
    fn candidates(&self) -> Vec<Address> {
        let mut candidates: Vec<Address> = self.slots.lock().masters().into_iter().cloned().collect();
        let masters = candidates.len();
        if masters > 0 {
            candidates.rotate_left(getrandom::u32().map_or(0, |random| random as usize % masters));
        }
        let others = self.seeds.iter().filter(|seed| !candidates.contains(seed)).cloned();
        let others: Vec<Address> = others.collect();
        candidates.extend(others);
        candidates
    }

    /// Reads the slots, unless they have just been read.
    pub(super) async fn refresh(&self) {
        let mut read = self.read.lock().await;
        if read.is_some_and(|read| read.elapsed() < jittered(PAUSE)) {
            return;
        }
        for address in self.candidates() {
            if let Ok(slots) = self.ask(&address).await {
                *self.slots.lock() = slots;
                break;
            }
        }
        *read = Some(Instant::now());
    }

    async fn ask(&self, address: &Address) -> Result<SlotMap, DriverError> {
        let mut connected = self.open(address, "slots", Duration::ZERO, |_| {}).await?;
        let mut command = Cmd::new();
        command.arg("CLUSTER").arg("SLOTS");
        let reply = tokio::time::timeout(self.profile.timeout, connected.ask(&command)).await;
        SlotMap::read(reply.map_err(|_| DriverError::Ended)??, address)
    }
}
