//! Ports for servers that cannot choose one themselves.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that is free. The ports are below those that the system gives away.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 20_000..32_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run at the same time begin at different ports.
    let begin = u16::try_from(std::process::id() * 64 % u32::from(PORTS.end - PORTS.start)).expect("less");
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (begin + number) % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
