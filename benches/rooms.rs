//! Joining and leaving: 1,000, 10,000 and 100,000 sockets, each in ten rooms; the number of rooms is chosen
//! so that a room has a hundred members.

use std::time::Duration;

use benches::client::Clients;
use benches::{NEVER, runtime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use socketio_server::Server;

/// Rooms per socket.
const EACH: usize = 10;
/// Sockets per room.
const MEMBERS: usize = 100;

fn rooms(c: &mut Criterion) {
    let mut group = c.benchmark_group("rooms");
    for count in [1000, 10_000, 100_000] {
        let runtime = runtime();
        let io = Server::builder().ping_interval(NEVER).build().expect("the settings are valid");
        let _clients = runtime.block_on(Clients::open(io.engine(), "socket.io", count, true));
        let sockets = io.sockets();
        assert_eq!(sockets.len(), count);
        let names: Vec<String> = (0..count * EACH / MEMBERS).map(|room| format!("room {room}")).collect();
        // The rooms of a socket are spread over all rooms, as are the sockets of a room.
        let room = |socket: usize, nth: usize| {
            names[((socket + nth * count / MEMBERS) * EACH + nth) % names.len()].as_str()
        };
        group.throughput(Throughput::Elements((count * EACH) as u64));
        group.bench_with_input(BenchmarkId::new("join-and-leave", count), &count, |b, _| {
            b.iter(|| {
                for (at, socket) in sockets.iter().enumerate() {
                    (0..EACH).for_each(|nth| socket.join(room(at, nth)));
                }
                for (at, socket) in sockets.iter().enumerate() {
                    (0..EACH).for_each(|nth| socket.leave(room(at, nth)));
                }
            });
        });
    }
    group.finish();
}

fn slow() -> Criterion {
    Criterion::default().sample_size(10).measurement_time(Duration::from_secs(5)).without_plots()
}

criterion_group! { name = all; config = slow(); targets = rooms }
criterion_main!(all);
