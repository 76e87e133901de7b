//! A group with scripts of a shell in place of workers. Times are arguments, so that no deadline is waited for.

use ::tests::raw::soon;

use super::super::folder::Folder;
use super::super::sockets::Sockets;
use super::*;

const READY: &str = "echo ready >&0; exec sleep 1000";
const DRAIN: Duration = Duration::from_secs(10);

struct Running {
    group: Group,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Running {
    /// Starts workers that run this script.
    fn start(workers: usize, script: &str) -> Self {
        let launch = Launch {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            folder: Folder::create().unwrap(),
            group: String::new(),
            key: String::new(),
            peers_key: String::new(),
            has_broker: false,
            node: "w".to_owned(),
            workers,
            clients: Sockets::bind("127.0.0.1:0".parse().unwrap(), workers).unwrap(),
            internal: None,
        };
        let (sender, events) = mpsc::unbounded_channel();
        Self { group: Group::start(launch, DRAIN, sender), events }
    }

    /// Handles the next event at this time.
    async fn step(&mut self, now: Instant) {
        let event = soon(self.events.recv()).await.unwrap();
        self.group.event(event, now);
    }

    async fn started(&mut self) {
        while !self.group.has_started() {
            self.step(Instant::now()).await;
        }
    }

    async fn ended(&mut self) -> Result<(), String> {
        loop {
            if let Some(ended) = self.group.ended() {
                return ended;
            }
            self.step(Instant::now()).await;
        }
    }

    /// Workers of each slot by generation, with their states.
    fn states(&self) -> Vec<Vec<(u8, &'static str)>> {
        let state = |member: &Member| match member.state {
            State::Starting(_) => "starting",
            State::Serving => "serving",
            State::Leaving(_) => "leaving",
            State::Killed => "killed",
        };
        let members =
            |slot: &Slot| slot.members.iter().map(|member| (member.generation, state(member))).collect();
        self.group.slots.iter().map(members).collect()
    }
}

#[tokio::test]
async fn a_worker_that_is_not_ready_in_time_is_killed() {
    let mut running = Running::start(1, "exec sleep 1000");
    assert_eq!(running.states(), [[(0, "starting")]]);
    let begin = Instant::now();
    running.group.tick(begin);
    assert_eq!(running.states(), [[(0, "starting")]]);
    assert!(running.group.next().unwrap() <= begin + START);
    running.group.tick(begin + START);
    assert_eq!(running.states(), [[(0, "killed")]]);
    assert_eq!(running.ended().await, Err("worker 0 was not ready in time".to_owned()));
}

#[tokio::test]
async fn a_worker_that_does_not_drain_is_killed() {
    let mut running = Running::start(2, &format!("trap '' TERM; {READY}"));
    running.started().await;
    let now = Instant::now();
    running.group.end(None, now);
    assert_eq!(running.group.next(), Some(now + DRAIN + GRACE));
    running.group.tick(now + DRAIN);
    assert_eq!(running.states(), [[(0, "leaving")], [(0, "leaving")]]);
    running.group.tick(now + DRAIN + GRACE);
    let error = running.ended().await.unwrap_err();
    assert!(error.ends_with("has not drained in time"), "{error}");
}

#[tokio::test]
async fn a_group_ends_with_its_workers() {
    let mut running = Running::start(3, READY);
    running.started().await;
    assert_eq!(running.group.next(), None);
    running.group.end(None, Instant::now());
    assert_eq!(running.ended().await, Ok(()));
}

#[tokio::test]
async fn a_worker_that_exits_is_started_again_later() {
    let mut running = Running::start(2, READY);
    running.started().await;
    let mut now = Instant::now();
    // A life of any length ends; the delays of a short one grow.
    for (generation, delay) in [(1, 100), (0, 200), (1, 400)] {
        running.group.slots[0].members[0].worker.signal(Signal::KILL);
        running.step(now).await;
        assert_eq!(running.states()[0], []);
        let due = now + Duration::from_millis(delay);
        assert_eq!(running.group.next(), Some(due));
        running.group.tick(due - Duration::from_millis(1));
        assert_eq!(running.states()[0], []);
        running.group.tick(due);
        assert_eq!(running.states()[0], [(generation, "starting")]);
        now = due;
        running.step(now).await;
        assert_eq!(running.states(), [[(generation, "serving")], [(0, "serving")]]);
    }
    running.group.kill("the end");
    assert_eq!(running.ended().await, Err("the end".to_owned()));
}

#[tokio::test]
async fn a_reason_is_the_error_of_the_first_start() {
    let mut running = Running::start(2, "echo 'failed no certificate' >&0; exit 1");
    assert_eq!(running.ended().await, Err("no certificate".to_owned()));
    let mut running = Running::start(1, "exit 3");
    assert_eq!(running.ended().await, Err("worker 0 did not start: exit status: 3".to_owned()));
}

#[tokio::test]
async fn a_reload_reaches_workers_that_start_as_soon_as_they_are_ready() {
    let script = "trap 'echo failed reload >&0' HUP; echo ready >&0; while :; do sleep 0.05; done";
    let mut running = Running::start(1, script);
    running.group.reload();
    running.step(Instant::now()).await;
    assert_eq!(running.states(), [[(0, "serving")]]);
    for _ in 0..2 {
        running.step(Instant::now()).await;
        assert_eq!(running.group.slots[0].members[0].why.take().as_deref(), Some("reload"));
        running.group.reload();
    }
    running.group.kill("the end");
    while running.group.ended().is_none() {
        running.step(Instant::now()).await;
    }
}

/// The worker of a slot that has crashed meanwhile is replaced like the others.
#[tokio::test]
async fn a_restart_takes_slots_without_a_worker_along() {
    // It exits when it is told to hand over, which is the line after the assignment.
    let script = "read assignment; echo ready >&0; read order; exit 0";
    let mut running = Running::start(2, script);
    running.started().await;
    let now = Instant::now();
    running.group.slots[1].members[0].worker.signal(Signal::KILL);
    running.step(now).await;
    assert_eq!(running.states(), [vec![(0, "serving")], vec![]]);
    running.group.restart(now);
    assert_eq!(running.states(), [vec![(0, "serving"), (1, "starting")], vec![]]);
    running.step(now).await;
    assert_eq!(running.states(), [vec![(0, "leaving"), (1, "serving")], vec![]]);
    running.step(now).await;
    assert_eq!(running.states(), [[(1, "serving")], [(1, "starting")]]);
    running.step(now).await;
    assert_eq!(running.states(), [[(1, "serving")], [(1, "serving")]]);
    assert!(matches!(running.group.phase, Phase::Serving));
    running.group.kill("the end");
    assert_eq!(running.ended().await, Err("the end".to_owned()));
}

/// The workers go on, of which one may be new.
#[tokio::test]
async fn a_restart_ends_when_the_new_worker_is_not_ready_in_time() {
    let mut running = Running::start(2, READY);
    running.started().await;
    running.group.launch.arguments[1] = "exec sleep 1000".into();
    let now = Instant::now();
    running.group.restart(now);
    running.group.tick(now + START);
    assert_eq!(running.states(), [vec![(0, "serving"), (1, "killed")], vec![(0, "serving")]]);
    running.step(now).await;
    assert_eq!(running.states(), [[(0, "serving")], [(0, "serving")]]);
    assert!(matches!(running.group.phase, Phase::Serving));
    assert_eq!(running.group.next(), None);
    running.group.kill("the end");
    assert_eq!(running.ended().await, Err("the end".to_owned()));
}
