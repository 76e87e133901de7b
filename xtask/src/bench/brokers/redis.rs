//! Redis, with its pub/sub.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::super::redis::Redis;
use super::{BATCH, Broker, Stream, failed};

impl Broker for Redis {
    fn id(&self) -> u32 {
        self.process_id()
    }

    fn subscriber(&self) -> Result<Box<dyn Stream>, String> {
        let mut stream = UnixStream::connect(self.socket()).map_err(failed)?;
        stream.write_all(b"SUBSCRIBE c\r\n").map_err(failed)?;
        let mut answer = [0; b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n".len()];
        stream.read_exact(&mut answer).map_err(failed)?;
        Ok(Box::new(stream))
    }

    fn publisher(&self) -> Result<Box<dyn Stream>, String> {
        Ok(Box::new(UnixStream::connect(self.socket()).map_err(failed)?))
    }

    fn message(&self, payload: &str) -> Vec<u8> {
        format!("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n${}\r\n{payload}\r\n", payload.len()).into_bytes()
    }

    fn publish(&self, stream: &mut dyn Stream, batch: &[u8]) -> Result<(), String> {
        stream.write_all(batch).map_err(failed)?;
        let mut lines = 0;
        let mut bytes = [0; 4096];
        while lines < BATCH {
            let read = stream.read(&mut bytes).map_err(failed)?;
            if read == 0 {
                return Err("the broker has closed the connection".to_owned());
            }
            lines += bytes[..read].iter().filter(|byte| **byte == b'\n').count();
        }
        Ok(())
    }
}
