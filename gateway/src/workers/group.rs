//! All workers of a supervisor: their starts, their ends, and the rolling restart.

use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::control::Report;
use super::launch::Launch;
use super::process::{Event, EventKind, Worker};

/// Time within which a worker must accept clients. Waits for other workers and for the cluster are a part of it.
const START: Duration = Duration::from_secs(30);
/// Time beyond `server.drain_ms` after which a worker that drains is killed.
const GRACE: Duration = Duration::from_secs(5);

/// The workers of a supervisor.
pub(super) struct Group {
    launch: Launch,
    events: mpsc::UnboundedSender<Event>,
    drain: Duration,
    slots: Vec<Slot>,
    phase: Phase,
    /// Number of workers that were started so far.
    started: u64,
}

/// Phase of a group.
#[derive(Debug)]
enum Phase {
    /// The first start. A worker that cannot start ends the program.
    Starting,
    Serving,
    /// A rolling restart, at a slot whose new worker has this number.
    Restarting {
        slot: usize,
        number: u64,
        again: bool,
    },
    /// All workers end, with an error or without.
    Ending(Option<String>),
}

/// Place of a worker, with a socket of its own. In a rolling restart it has two workers for a while.
#[derive(Default)]
struct Slot {
    members: Vec<Member>,
    backoff: Backoff,
    /// Time of the next start, while there is no worker.
    retry: Option<Instant>,
    /// Generation of the last worker. Addresses of two generations suffice, as they alternate.
    generation: u8,
}

struct Member {
    number: u64,
    generation: u8,
    worker: Worker,
    state: State,
    since: Instant,
    /// Whether the settings have to be loaded again as soon as it is ready.
    reload: bool,
    /// Reason of a failed start.
    why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It does not accept clients yet, and is killed at this time.
    Starting(Instant),
    Serving,
    /// It drains, and is killed at this time.
    Leaving(Instant),
    Killed,
}

impl Group {
    /// Starts all workers.
    pub(super) fn start(launch: Launch, drain: Duration, events: mpsc::UnboundedSender<Event>) -> Self {
        let slots = (0..launch.workers).map(|_| Slot { generation: 1, ..Slot::default() }).collect();
        let mut group =
            Self { launch, events, drain: drain + GRACE, slots, phase: Phase::Starting, started: 0 };
        let now = Instant::now();
        for slot in 0..group.slots.len() {
            if let Err(error) = group.spawn(slot, now) {
                group.end(Some(error.to_string()), now);
                break;
            }
        }
        group
    }

    /// Program, folder and sockets of all workers.
    pub(super) fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Whether all workers were ready once.
    pub(super) fn has_started(&self) -> bool {
        matches!(self.phase, Phase::Serving | Phase::Restarting { .. })
    }

    /// The error or success of a group whose last worker has exited.
    pub(super) fn ended(&self) -> Option<Result<(), String>> {
        let Phase::Ending(why) = &self.phase else { return None };
        let is_empty = self.slots.iter().all(|slot| slot.members.is_empty());
        is_empty.then(|| why.clone().map_or(Ok(()), Err))
    }

    /// The next time at which there is something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        let times = self
            .slots
            .iter()
            .flat_map(|slot| slot.members.iter().filter_map(|member| member.state.until()).chain(slot.retry));
        times.min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant) {
        for number in 0..self.slots.len() {
            let slot = &mut self.slots[number];
            for member in slot.members.iter_mut().filter(|member| member.state.is_over(now)) {
                let why = match member.state {
                    State::Starting(_) => format!("worker {number} was not ready in time"),
                    _ => format!("worker {number} has not drained in time"),
                };
                tracing::warn!(slot = number, "{why}; it is killed");
                member.why.get_or_insert(why);
                member.kill();
            }
            if slot.retry.take_if(|retry| *retry <= now).is_some() {
                if let Err(error) = self.spawn(number, now) {
                    tracing::error!(slot = number, %error, "a worker was not started");
                    self.retry(number, Duration::ZERO, now);
                }
            }
        }
    }

    /// Takes note of an event of a worker.
    pub(super) fn event(&mut self, Event { slot, number, kind }: Event, now: Instant) {
        match kind {
            EventKind::Reported(Report::Ready) => self.ready(slot, number, now),
            EventKind::Reported(Report::Failed(why)) => {
                let members = self.slots.get_mut(slot).into_iter().flat_map(|slot| &mut slot.members);
                members
                    .filter(|member| member.number == number)
                    .for_each(|member| member.why = Some(why.clone()));
            }
            EventKind::Exited(status) => self.exited(slot, number, status, now),
        }
    }

    /// All workers load their settings again.
    pub(super) fn reload(&mut self) {
        for member in self.slots.iter_mut().flat_map(|slot| &mut slot.members) {
            match member.state {
                State::Serving => member.worker.signal(Signal::HUP),
                // It may have loaded them already, and has no handler of the signal yet.
                State::Starting(_) => member.reload = true,
                State::Leaving(_) | State::Killed => {}
            }
        }
    }

    /// Begins a rolling restart. One during another follows it; further ones are the same.
    pub(super) fn restart(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Serving => {
                tracing::info!("rolling restart of the workers");
                self.begin(0, false, now);
            }
            Phase::Restarting { again, .. } => *again = true,
            Phase::Starting | Phase::Ending(_) => {}
        }
    }

    /// Whether all workers end.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Ending(_))
    }

    /// Ends all workers, which drain.
    pub(super) fn end(&mut self, why: Option<String>, now: Instant) {
        self.phase = Phase::Ending(why);
        let until = now + self.drain;
        for slot in &mut self.slots {
            slot.retry = None;
            for member in &mut slot.members {
                if matches!(member.state, State::Starting(_) | State::Serving) {
                    member.worker.signal(Signal::TERM);
                    member.state = State::Leaving(until);
                }
            }
        }
    }

    /// Ends all workers at once.
    pub(super) fn kill(&mut self, why: &str) {
        self.phase = Phase::Ending(Some(why.to_owned()));
        self.slots.iter_mut().flat_map(|slot| &mut slot.members).for_each(Member::kill);
    }

    fn spawn(&mut self, number: usize, now: Instant) -> std::io::Result<u64> {
        let slot = &mut self.slots[number];
        let is_used = |generation| slot.members.iter().any(|member| member.generation == generation);
        let next = 1 - slot.generation.min(1);
        let generation = if is_used(next) { 1 - next } else { next };
        self.started += 1;
        let (events, id) = (self.events.clone(), self.started);
        let tell = move |kind| drop(events.send(Event { slot: number, number: id, kind }));
        let worker = self.launch.worker(number, generation, tell)?;
        (slot.generation, slot.retry) = (generation, None);
        let state = State::Starting(now + START);
        slot.members.push(Member {
            number: id,
            generation,
            worker,
            state,
            since: now,
            reload: false,
            why: None,
        });
        Ok(id)
    }

    fn ready(&mut self, number: usize, id: u64, now: Instant) {
        let until = now + self.drain;
        let Some(slot) = self.slots.get_mut(number) else { return };
        let is_new = |member: &&mut Member| member.number == id && member.state.is_starting();
        let Some(member) = slot.members.iter_mut().find(is_new) else { return };
        member.state = State::Serving;
        if member.reload {
            member.worker.signal(Signal::HUP);
        }
        let node = self.launch.node(number, member.generation);
        tracing::info!(node, pid = member.worker.pid, "a worker accepts clients");
        let others = slot.members.iter_mut().filter(|member| member.number != id);
        for other in others.filter(|other| other.state == State::Serving) {
            other.worker.hand_over();
            other.state = State::Leaving(until);
        }
        let serves = |slot: &Slot| slot.members.iter().any(|member| member.state == State::Serving);
        if matches!(self.phase, Phase::Starting) && self.slots.iter().all(serves) {
            self.phase = Phase::Serving;
        }
        self.proceed(now);
    }

    fn exited(&mut self, number: usize, id: u64, status: Option<ExitStatus>, now: Instant) {
        let Some(slot) = self.slots.get_mut(number) else { return };
        let Some(place) = slot.members.iter().position(|member| member.number == id) else { return };
        let member = slot.members.remove(place);
        let node = self.launch.node(number, member.generation);
        let status = status.map_or_else(|| "unknown status".to_owned(), |status| status.to_string());
        match &mut self.phase {
            Phase::Starting => {
                let why = member.why.unwrap_or_else(|| format!("worker {number} did not start: {status}"));
                return self.end(Some(why), now);
            }
            Phase::Ending(why) => {
                if slot.members.is_empty() {
                    self.launch.close(number);
                }
                if member.state == State::Killed && why.is_none() {
                    *why = member.why;
                }
                return;
            }
            Phase::Serving | Phase::Restarting { .. } => {}
        }
        match (member.state, member.why) {
            (State::Leaving(_), _) => tracing::info!(node, status, "a worker has left"),
            (_, Some(why)) => tracing::error!(node, status, "a worker has failed: {why}"),
            (_, None) => tracing::warn!(node, status, "a worker has exited"),
        }
        if !slot.members.iter().any(|member| member.state.is_starting() || member.state == State::Serving) {
            self.retry(number, now.saturating_duration_since(member.since), now);
        }
        if let Phase::Restarting { number: awaited, again, .. } = self.phase {
            if awaited == id {
                self.give_up(again, now);
            } else {
                self.proceed(now);
            }
        }
    }

    /// Starts a worker of a slot again after a delay.
    fn retry(&mut self, number: usize, life: Duration, now: Instant) {
        let slot = &mut self.slots[number];
        let delay = slot.backoff.after(life);
        slot.retry = Some(now + delay);
        tracing::info!(slot = number, ?delay, "a worker is started again");
    }

    /// Starts the new worker of a slot in a rolling restart.
    fn begin(&mut self, number: usize, again: bool, now: Instant) {
        // One that has not started yet may be of the old program.
        let starting = self.slots[number].members.iter_mut().filter(|member| member.state.is_starting());
        starting.for_each(Member::kill);
        match self.spawn(number, now) {
            Ok(id) => self.phase = Phase::Restarting { slot: number, number: id, again },
            Err(error) => {
                tracing::error!(slot = number, %error, "a worker was not started");
                self.give_up(false, now);
            }
        }
    }

    /// Goes on with the next slot when the new worker of this one is the only one.
    fn proceed(&mut self, now: Instant) {
        let Phase::Restarting { slot, number, again } = self.phase else { return };
        let [member] = self.slots[slot].members.as_slice() else { return };
        if member.number != number || member.state != State::Serving {
            return;
        }
        if slot + 1 < self.slots.len() {
            return self.begin(slot + 1, again, now);
        }
        tracing::info!("all workers are new");
        self.phase = Phase::Serving;
        if again {
            self.restart(now);
        }
    }

    /// Ends a rolling restart whose new worker has failed. The other workers go on.
    fn give_up(&mut self, again: bool, now: Instant) {
        tracing::error!("the rolling restart has stopped, as a new worker has failed");
        self.phase = Phase::Serving;
        if again {
            self.restart(now);
        }
    }
}

impl Member {
    fn kill(&mut self) {
        self.worker.signal(Signal::KILL);
        self.state = State::Killed;
    }
}

impl State {
    fn is_starting(self) -> bool {
        matches!(self, Self::Starting(_))
    }

    /// The time at which the worker is killed.
    fn until(self) -> Option<Instant> {
        match self {
            Self::Starting(until) | Self::Leaving(until) => Some(until),
            Self::Serving | Self::Killed => None,
        }
    }

    fn is_over(self, now: Instant) -> bool {
        self.until().is_some_and(|until| until <= now)
    }
}

#[cfg(test)]
mod tests;
