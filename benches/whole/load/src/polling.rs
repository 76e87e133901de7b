//! Scenario `polling`: echoes over HTTP long-polling. A client has two connections, one with the waiting GET
//! and one for its POSTs, which carry one or several messages. Of two servers that share their sessions the first one
//! has those of the clients. `--at` says where their requests arrive: `owner` there, `post` for POSTs at the other server,
//! `other` for GETs too.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::links::{Carrier, Links, Scenario, unexpected};
use crate::message::{Expected, Kind, ReceivedPacket};
use crate::run::{Measured, Run, Tally};
use crate::wire::Response;

struct Polling {
    tally: Tally,
    expected: Expected,
    datas: Vec<Vec<u8>>,
    clients: Vec<Client>,
    /// The client of each connection, and what it is for.
    owners: Vec<(usize, Purpose)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// The handshake alone.
    Open,
    /// GETs, and the handshake if it has no connection of its own.
    Get {
        opens: bool,
    },
    Post,
}

struct Client {
    get_link: usize,
    post_link: usize,
    stage: Stage,
    get: Vec<u8>,
    post: Vec<u8>,
    pong: Vec<u8>,
    /// Whether a POST waits for its response.
    posting: bool,
    owes_pong: bool,
    /// Number of missing echoes of this round, and its start time. The round ends with the POST's response.
    missing: usize,
    sent: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Joining,
    Ready,
}

pub fn run(arguments: &Arguments) -> Result<Value, Failure> {
    let clients = arguments.value("conns", 100)?;
    let (size, together) = (arguments.value("size", 32)?, arguments.value("per-post", 1)?);
    let polling = Polling {
        tally: Tally::default(),
        expected: Expected::new("echo"),
        datas: (0..together).map(|slot| Kind::String.data(size, slot)).collect(),
        clients: Vec::new(),
        owners: Vec::new(),
    };
    let at: String = arguments.value("at", "owner".to_owned())?;
    let (get_at, post_at) = match at.as_str() {
        "owner" => (0, 0),
        "post" => (0, 1),
        "other" => (1, 1),
        _ => return Err(Failure(format!("--at cannot be {at}"))),
    };
    let mut run = Run::new(polling, arguments)?;
    for number in 0..clients {
        let opens = get_at == 0;
        if !opens {
            run.links.connect_to(0, Carrier::Requests)?;
            run.scenario.owners.push((number, Purpose::Open));
        }
        let get_link = run.links.connect_to(get_at, Carrier::Requests)?;
        let post_link = run.links.connect_to(post_at, Carrier::Requests)?;
        run.scenario.owners.extend([(number, Purpose::Get { opens }), (number, Purpose::Post)]);
        run.scenario.clients.push(Client {
            get_link,
            post_link,
            stage: Stage::Opening,
            get: Vec::new(),
            post: Vec::new(),
            pong: Vec::new(),
            posting: false,
            owes_pong: false,
            missing: 0,
            sent: Instant::now(),
        });
    }
    run.drive(Duration::from_secs(20), |polling| {
        polling.tally.ready == clients && polling.clients.iter().all(|client| !client.posting)
    })?;
    if run.scenario.tally.ready < clients {
        return Err(Failure(format!("only {} of {clients} clients could connect", run.scenario.tally.ready)));
    }
    run.scenario.tally.going = true;
    for number in 0..clients {
        run.scenario.next(&mut run.links, number, Instant::now());
    }
    run.measure()
}

fn request(method: &str, port: u16, sid: &str, body: &str) -> Vec<u8> {
    let id = if sid.is_empty() { String::new() } else { format!("&sid={sid}") };
    let mut request = format!(
        "{method} /socket.io/?EIO=4&transport=polling{id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: keep-alive\r\n"
    );
    if method == "POST" {
        let len = body.len();
        request.push_str(&format!("Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {len}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(body);
    request.into_bytes()
}

impl Polling {
    /// Sends the due messages on the connection for POSTs.
    fn next(&mut self, links: &mut Links, number: usize, now: Instant) {
        let client = &mut self.clients[number];
        if client.posting {
            return;
        }
        if std::mem::take(&mut client.owes_pong) {
            client.posting = true;
            links.send(client.post_link, &client.pong);
        } else if self.tally.going && client.missing == 0 && client.stage == Stage::Ready {
            client.posting = true;
            client.missing = self.datas.len();
            client.sent = now;
            links.send(client.post_link, &client.post);
        }
    }

    /// Handles the response of the handshake.
    fn opened(&mut self, links: &mut Links, number: usize, body: &[u8]) -> Result<(), Failure> {
        let open = std::str::from_utf8(body).ok().and_then(|body| body.strip_prefix('0'));
        let open: Option<Value> = open.and_then(|open| serde_json::from_str(open).ok());
        let Some(sid) = open.as_ref().and_then(|open| open["sid"].as_str()) else {
            return Err(Failure(format!("no handshake: {}", String::from_utf8_lossy(body))));
        };
        let events: Vec<String> =
            self.datas.iter().map(|data| format!("42[\"echo\",{}]", String::from_utf8_lossy(data))).collect();
        let client = &mut self.clients[number];
        let request = |method, body: &str| request(method, links.port(), sid, body);
        client.get = request("GET", "");
        client.post = request("POST", &events.join("\x1e"));
        client.pong = request("POST", "3");
        client.stage = Stage::Joining;
        client.posting = true;
        let join = request("POST", "40");
        links.send(client.post_link, &join);
        links.send(client.get_link, &client.get);
        Ok(())
    }

    fn packet(&mut self, number: usize, at: Instant, packet: &[u8]) -> Result<(), Failure> {
        let client = &mut self.clients[number];
        match self.expected.read(packet) {
            ReceivedPacket::Data(data) => {
                let slot = Kind::String.slot(data).and_then(|slot| self.datas.get(slot));
                if slot.is_none_or(|sent| sent != data) || client.missing == 0 {
                    return Err(unexpected(number, packet));
                }
                client.missing -= 1;
                self.tally.units += 1;
                if client.missing == 0 {
                    self.tally.latencies.add(at - client.sent);
                }
            }
            _ if packet == b"2" => client.owes_pong = true,
            _ if packet.starts_with(b"40{") && client.stage == Stage::Joining => {
                client.stage = Stage::Ready;
                self.tally.ready += 1;
            }
            _ if packet == b"6" => {}
            _ => return Err(unexpected(number, packet)),
        }
        Ok(())
    }
}

impl Scenario for Polling {
    fn ready(&mut self, links: &mut Links, link: usize) -> Result<(), Failure> {
        if let (_, Purpose::Open | Purpose::Get { opens: true }) = self.owners[link] {
            let open = request("GET", links.port(), "", "");
            links.send(link, &open);
        }
        Ok(())
    }

    fn text(&mut self, _: &mut Links, link: usize, _: Instant, packet: &[u8]) -> Result<(), Failure> {
        Err(unexpected(link, packet))
    }

    fn response(
        &mut self,
        links: &mut Links,
        link: usize,
        at: Instant,
        response: &Response,
    ) -> Result<(), Failure> {
        let (number, purpose) = self.owners[link];
        if response.status != 200 {
            return Err(unexpected(link, &response.body));
        }
        if purpose == Purpose::Post {
            if !response.body.eq_ignore_ascii_case(b"ok") {
                return Err(unexpected(link, &response.body));
            }
            self.clients[number].posting = false;
        } else if self.clients[number].stage == Stage::Opening {
            return self.opened(links, number, &response.body);
        } else {
            links.send(link, &self.clients[number].get);
            for packet in response.body.split(|byte| *byte == 0x1e) {
                self.packet(number, at, packet)?;
            }
        }
        self.next(links, number, at);
        Ok(())
    }
}

impl Measured for Polling {
    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    fn under_way(&self) -> u64 {
        self.clients.iter().map(|client| client.missing as u64).sum()
    }
}
