//! The program: see `socketio-gateway --help`.

use std::process::ExitCode;

/// Global allocator. jemalloc returns the memory of disconnected clients to the system, which glibc's
/// allocator seldom does, and it is faster than musl's.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    socketio_gateway::cli::run()
}
