//! The program: see `socketio-gateway --help`.

use std::process::ExitCode;

/// Gives the memory of a crowd that is gone back to the system, which the allocator of glibc seldom does, and is fast
/// where musl's is not.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    gateway::command::run()
}
