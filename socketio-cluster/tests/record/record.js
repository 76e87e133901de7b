// Records what the official adapters and emitters publish, as fixtures for the codecs of socketio-cluster.
//
//   npm install && node record.js
//
// Two servers of each kind share a client object that only looks like one of Redis (or of Postgres): it writes
// down what is published and hands it to the subscribers. Each record has the name of the operation, the channel
// and the bytes in base64. STREAMS_EMITTER names a build of the streams emitter, if it is not installed.
"use strict";

// Ids are made from random bytes; with a counter every run records the same ones.
const crypto = require("crypto");
let counter = 0;
const counted = (size, done) => {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt16BE(++counter % 65536, size - 2);
  return done ? process.nextTick(done, null, bytes) : bytes;
};
crypto.randomBytes = counted;
crypto.pseudoRandomBytes = counted;

const fs = require("fs");
const http = require("http");
const path = require("path");
const { EventEmitter } = require("events");
const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");
const redis = require("@socket.io/redis-adapter");
const streams = require("@socket.io/redis-streams-adapter");
const postgres = require("@socket.io/postgres-adapter");
const { Emitter } = require("@socket.io/redis-emitter");

let records = [];
let operation = "start";

function record(channel, payload) {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload, "utf8");
  records.push({ operation, channel, bytes: bytes.toString("base64") });
  return bytes;
}

// The part of node-redis that the adapters call.
class FakeRedis {
  constructor(hub) {
    this.hub = hub;
    this.options = {};
  }
  on() { return this; }
  off() {}
  listenerCount() { return 2; }
  duplicate() { return new FakeRedis(this.hub); }
  connect() { return Promise.resolve(); }
  disconnect() {}
  subscribe(channels, listener) { [].concat(channels).forEach((name) => this.hub.subscribe(name, listener)); }
  sSubscribe(channels, listener) { this.subscribe(channels, listener); }
  sUnsubscribe() {}
  unsubscribe() {}
  pUnsubscribe() {}
  pSubscribe(pattern, listener) { this.hub.subscribe(pattern, listener); }
  publish(channel, payload) { return this.hub.publish(channel, payload); }
  sPublish(channel, payload) { return this.hub.publish(channel, payload); }
  sendCommand([, , channel]) {
    // The adapters of both servers subscribe to it.
    const count = (this.hub.listeners.get(channel) || []).length;
    return Promise.resolve([channel, String(count)]);
  }
  async xAdd(name, id, fields) {
    const bytes = record(name, JSON.stringify(fields));
    return this.hub.add(JSON.parse(bytes.toString()));
  }
  async xRead([{ id }]) { return this.hub.read(id); }
  async set(key, value) {
    record(key, value);
    return "OK";
  }
}

class Hub {
  constructor() {
    this.listeners = new Map();
    this.entries = [];
    this.waiting = [];
  }
  subscribe(name, listener) {
    this.listeners.set(name, [...(this.listeners.get(name) || []), listener]);
  }
  async publish(channel, payload) {
    const bytes = record(channel, payload);
    for (const [name, list] of this.listeners) {
      if (name === channel || (name.endsWith("*") && channel.startsWith(name.slice(0, -1)))) {
        list.forEach((listener) => setImmediate(() => listener(Buffer.from(bytes), channel)));
      }
    }
    return 1;
  }
  add(message) {
    this.entries.push({ id: `1700000000000-${this.entries.length}`, message });
    this.waiting.splice(0).forEach((wake) => wake());
    return this.entries.at(-1).id;
  }
  async read(after) {
    const from = after === "$" ? this.entries.length : 1 + this.entries.findIndex(({ id }) => id === after);
    if (this.entries.length <= from) {
      await new Promise((wake) => this.waiting.push(wake));
    }
    return [{ messages: this.entries.slice(from) }];
  }
}

class FakePool {
  constructor(hub) {
    this.hub = hub;
    this.rows = [];
  }
  async connect() {
    const client = new EventEmitter();
    client.query = async (text) => {
      const listen = /^LISTEN "(.*)"$/.exec(text);
      if (listen) {
        this.hub.subscribe(listen[1], (payload) => client.emit("notification", { payload: payload.toString() }));
      }
    };
    client.release = () => {};
    return client;
  }
  async query(text, values) {
    if (text.startsWith("SELECT pg_notify")) {
      await this.hub.publish(values[0], values[1]);
    } else if (text.startsWith("INSERT")) {
      this.rows.push(Buffer.from(values[0]));
      record("socket_io_attachments", Buffer.from(values[0]));
      return { rows: [{ id: String(this.rows.length) }] };
    } else if (text.startsWith("SELECT payload")) {
      return { rows: [{ payload: this.rows[Number(values[0]) - 1] }] };
    }
    return { rows: [] };
  }
}

const pause = (time = 60) => new Promise((done) => setTimeout(done, time));

async function as(name, run) {
  operation = name;
  try {
    await run();
  } catch (error) {
    console.log(`${name}: ${error.message}`);
  }
  await pause();
}

async function cluster(name, adapter, extra = {}) {
  records = [];
  operation = "start";
  const servers = [];
  for (let i = 0; i < 2; i++) {
    const server = http.createServer();
    const io = new Server(server, { adapter: adapter(), ...extra });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    servers.push({ io, server, port: server.address().port });
  }
  const [a, b] = servers.map(({ io }) => io);
  b.on("connection", (socket) => {
    socket.join("r");
    socket.join(123);
    socket.data = socket.handshake.auth.data;
  });
  b.on("ask", (value, answer) => answer(value));
  b.on("ask binary", (value, answer) => answer(Buffer.from([1, 2, 3])));
  b.on("ask nothing", (answer) => answer());
  const url = `http://127.0.0.1:${servers[1].port}`;
  const client = connect(`${url}/?x=1&x=2`, {
    transports: ["websocket"],
    auth: { token: "t", data: { user: "Zoé", at: [1, 2.5, null, true] } },
    extraHeaders: { "set-cookie": ["a=1", "b=2"], "x-list": "1" },
  });
  await new Promise((done) => client.on("connect", done));
  await pause();
  client.on("ask", (value, answer) => answer(value));
  client.on("ask binary", (value, answer) => answer({ data: Buffer.from([4, 5]) }));
  client.on("ask nothing", (answer) => answer());
  client.on("ask undefined", (answer) => answer(undefined));

  const date = new Date(Date.UTC(2024, 1, 29, 12, 34, 56, 789));
  await as("emit", () => a.emit("hello", 1, "two", { three: [3, -4.5, null, true] }));
  await as("emit nothing", () => a.emit("hello"));
  await as("emit to a room", () => a.to("r").emit("hello", "é😀"));
  await as("emit to rooms, except", () => a.to(["r", "s"]).except("t").emit("hello"));
  await as("emit to a numeric room", () => a.to(123).emit("hello"));
  await as("emit volatile", () => a.volatile.emit("hello"));
  await as("emit uncompressed", () => a.compress(false).emit("hello"));
  await as("emit locally", () => a.local.emit("hello"));
  await as("emit binary", () => a.to("r").emit("hello", Buffer.from([0, 1, 255]), { deep: [new Uint8Array([9])] }));
  await as("emit large binary", () => a.emit("hello", Buffer.alloc(300, 7)));
  await as("emit numbers", () =>
    a.emit("hello", 0, -1, -32, -33, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, -128, -129, -32768,
      -32769, -2147483648, -2147483649, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0.1, 1e300));
  await as("emit binary and numbers", () =>
    a.emit("hello", Buffer.from([1]), 0, -1, -32, -33, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, -128,
      -129, -32768, -32769, -2147483648, -2147483649, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0.1, 1e300));
  await as("emit beyond 2^53", () => a.emit("hello", Buffer.from([1]), 2 ** 63, -(2 ** 63), 1e21, NaN, Infinity));
  await as("emit dates", () =>
    a.emit("hello", Buffer.from([1]), date, new Date(1000), new Date(-1), new Date(2 ** 34 * 1000 + 5)));
  await as("emit undefined", () => a.emit("hello", Buffer.from([1]), undefined, { a: undefined, b: 1 }));
  await as("emit lone surrogates", () => a.emit("hello", Buffer.from([1]), "\ud800", "x\udc00y".repeat(20)));
  await as("emit long texts", () => a.emit("hello", "x".repeat(31), "x".repeat(32), "é".repeat(200), "x".repeat(300)));
  await as("emit with acks", async () => {
    const acks = await a.timeout(500).emitWithAck("ask", { x: 1 });
    if (JSON.stringify(acks) !== '[{"x":1}]') console.log(name, "acks", acks);
  });
  await as("emit with binary acks", () => a.to("r").timeout(500).emitWithAck("ask binary", 1));
  await as("emit with empty acks", () => a.timeout(500).emitWithAck("ask nothing"));
  await as("emit with undefined acks", () => a.timeout(500).emitWithAck("ask undefined"));
  await as("join", () => a.in("r").socketsJoin(["x", "y"]));
  await as("leave", () => a.in("x").except("z").socketsLeave("y"));
  await as("fetch", async () => {
    const found = await a.in("r").fetchSockets();
    if (found.length !== 1) console.log(name, "found", found.length);
  });
  await as("fetch nobody", () => a.in("nobody").fetchSockets());
  await as("all rooms", async () => a.of("/").adapter.allRooms && (await a.of("/").adapter.allRooms()));
  await as("server side emit", () => a.serverSideEmit("hello", 1, { two: 2 }));
  await as("server side emit binary", () => a.serverSideEmit("hello", Buffer.from([0, 255])));
  await as("server side emit with ack", async () => {
    const answers = await a.serverSideEmitWithAck("ask", { x: 1 });
    if (answers.length !== 1) console.log(name, "answers", answers);
  });
  await as("server side emit with binary ack", () => a.serverSideEmitWithAck("ask binary", 1));
  await as("server side emit with empty ack", () => a.serverSideEmitWithAck("ask nothing"));
  if (extra.connectionStateRecovery) {
    await as("persist a session", () => client.io.engine.close());
    await pause(200);
  } else {
    await as("disconnect", () => a.in("r").disconnectSockets(true));
  }
  save(name);
  client.close();
  for (const { io } of servers) io.close();
}

function save(name) {
  const file = path.join(__dirname, "..", "data", `${name}.json`);
  fs.writeFileSync(file, `[\n${records.map((one) => JSON.stringify(one)).join(",\n")}\n]\n`);
  console.log(`${name}: ${records.length} messages`);
}

async function emitters(name, emitter) {
  records = [];
  await as("emit", () => emitter.emit("hello", 1, "two"));
  await as("emit to a room", () => emitter.to("r").emit("hello", "é"));
  await as("emit to rooms, except", () => emitter.to(["r", "s"]).except("t").volatile.compress(false).emit("hello"));
  await as("emit binary", () => emitter.of("/n").emit("hello", Buffer.from([1, 2])));
  await as("join", () => emitter.in("r").socketsJoin(["x"]));
  await as("leave", () => emitter.in("r").except("s").socketsLeave("x"));
  await as("disconnect", () => emitter.in("r").disconnectSockets(true));
  await as("server side emit", () => emitter.serverSideEmit("hello", { two: 2 }));
  save(name);
}

async function main() {
  let hub = new Hub();
  await cluster("classic", () => redis.createAdapter(new FakeRedis(hub), new FakeRedis(hub)));
  hub = new Hub();
  await cluster("sharded", () => redis.createShardedAdapter(new FakeRedis(hub), new FakeRedis(hub)));
  hub = new Hub();
  await cluster("streams", () => streams.createAdapter(new FakeRedis(hub)));
  hub = new Hub();
  await cluster("streams-recovery", () => streams.createAdapter(new FakeRedis(hub)), {
    connectionStateRecovery: { maxDisconnectionDuration: 60000 },
  });
  hub = new Hub();
  const pool = new FakePool(hub);
  await cluster("postgres", () => postgres.createAdapter(pool));
  hub = new Hub();
  await emitters("redis-emitter", new Emitter(new FakeRedis(hub)));
  if (process.env.STREAMS_EMITTER) {
    const build = require(process.env.STREAMS_EMITTER);
    await emitters("streams-emitter", new build.Emitter(new FakeRedis(hub)));
  }
  process.exit();
}

main();
