//! Listening sockets: one for each slot, all at one address.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// Length of the queue of connections that wait to be accepted, as tokio has it.
const BACKLOG: i32 = 1024;

/// Sockets of all slots.
#[derive(Debug)]
pub(super) struct Sockets {
    address: SocketAddr,
    sockets: Vec<Option<Socket>>,
}

impl Sockets {
    /// Binds a socket for each slot. Port 0 is replaced by that of the first slot.
    pub(super) fn bind(mut address: SocketAddr, slots: usize) -> io::Result<Self> {
        if address.port() != 0 {
            // Another supervisor of the same user could share the port without an error otherwise.
            drop(TcpListener::bind(address)?);
        }
        let mut sockets = Vec::new();
        for _ in 0..slots {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.set_reuse_port(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            if address.port() == 0 {
                let bound = socket.local_addr()?.as_socket();
                address = bound.ok_or_else(|| io::Error::other("the address of the socket is unknown"))?;
            }
            sockets.push(Some(socket));
        }
        Ok(Self { address, sockets })
    }

    /// The common address.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The socket of a slot.
    pub(super) fn of(&self, slot: usize) -> Option<&Socket> {
        self.sockets.get(slot)?.as_ref()
    }

    /// Closes the socket of a slot that has no worker any more. Connections reach those of the other slots then.
    pub(super) fn close(&mut self, slot: usize) {
        self.sockets.get_mut(slot).and_then(Option::take);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn all_slots_have_one_port_that_nobody_else_gets() {
        let mut sockets = Sockets::bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_ne!(sockets.address().port(), 0);
        for slot in 0..3 {
            let own = sockets.of(slot).unwrap().local_addr().unwrap().as_socket();
            assert_eq!(own, Some(sockets.address()));
        }
        assert!(sockets.of(3).is_none());
        // A connection waits in the queue of a slot.
        let waiting = TcpStream::connect(sockets.address()).unwrap();
        let accepted = (0..3).filter(|slot| sockets.of(*slot).unwrap().accept().is_ok()).count();
        assert_eq!(accepted, 1);
        drop(waiting);
        let used = Sockets::bind(sockets.address(), 1).unwrap_err();
        assert_eq!(used.kind(), io::ErrorKind::AddrInUse);
        sockets.close(0);
        sockets.close(2);
        let _open = TcpStream::connect(sockets.address()).unwrap();
        assert!(sockets.of(0).is_none() && sockets.of(1).unwrap().accept().is_ok());
        sockets.close(1);
        assert!(TcpStream::connect(sockets.address()).is_err());
    }
}
