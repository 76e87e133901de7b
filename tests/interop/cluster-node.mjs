// A node of a cluster: the official server with one of the official adapters. Commands are lines of JSON on the
// standard input, `{"id": 1, "op": "emit", …}`; answers `{"id": 1, "ok": …}` and events of servers are lines on the standard
// output, after the port. Binary data is `{"$bin": "<base64>"}`.
//
//   node cluster-node.mjs KIND REDIS [OPTIONS]
//
// KIND is `classic`, `sharded` or `streams`; REDIS a URL (`redis-cluster://host:port,…` too), or the path of a Unix socket;
// or KIND is `postgres`, and REDIS the folder of the Unix socket of PostgreSQL; OPTIONS the options of the adapter, as JSON. With
// `postgres` the process is an emitter too: `{"op": "emitter", "method": "emit", "args": […]}`.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createAdapter as createPostgresAdapter } from "@socket.io/postgres-adapter";
import { Emitter as PostgresEmitter } from "@socket.io/postgres-emitter";
import pg from "pg";
import { createClient, createCluster } from "redis";
import { Server } from "socket.io";

const [kind, redis, options = "{}"] = process.argv.slice(2);
const { recovery, parser, ...rest } = JSON.parse(options);
if (parser === "json") rest.parser = { encode: JSON.stringify, decode: JSON.parse };

async function client() {
  const hosts = redis.startsWith("redis-cluster://") && redis.slice("redis-cluster://".length).split(",");
  const made = hosts
    ? createCluster({ rootNodes: hosts.map((host) => ({ url: `redis://${host}` })) })
    : createClient(redis.startsWith("/") ? { socket: { path: redis } } : { url: redis });
  made.on("error", () => {});
  await made.connect();
  return made;
}

// One connection listens and one sends: with more of them the official adapter does not keep the order.
function pool() {
  const made = new pg.Pool({ host: redis, user: "postgres", database: "postgres", max: 2 });
  made.on("error", () => {});
  // The official adapter does not listen to the errors of the client that it keeps.
  made.on("connect", (client) => client.on("error", () => {}));
  return made;
}

async function adapter() {
  if (kind === "postgres") return createPostgresAdapter(pool(), rest);
  if (kind === "streams") return createStreamsAdapter(await client(), rest);
  return (kind === "sharded" ? createShardedAdapter : createAdapter)(await client(), await client(), rest);
}

const http = createServer();
const io = new Server(http, { adapter: await adapter(), ...(recovery ? { connectionStateRecovery: {} } : {}) });
const say = (what) => process.stdout.write(JSON.stringify(pack(what)) + "\n");

// What is no UTF-8, half of a surrogate pair, and what is nested too deeply for the reader of the lines is replaced.
function pack(value, depth = 0) {
  if (Buffer.isBuffer(value)) return { $bin: value.toString("base64") };
  if (typeof value === "string") return value.toWellFormed();
  if (depth > 100) return "nested too deeply";
  if (Array.isArray(value)) return value.map((member) => pack(member, depth + 1));
  if (value === null || typeof value !== "object" || value.toJSON) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key.toWellFormed(), pack(member, depth + 1)]),
  );
}

function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.$bin === "string") return Buffer.from(value.$bin, "base64");
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, unpack(member)]));
}

function target({ nsp = "/", to = [], except = [], volatile, compress, timeout }) {
  let operator = io.of(nsp).to(to).except(except);
  if (volatile) operator = operator.volatile;
  if (compress !== undefined) operator = operator.compress(compress);
  return timeout === undefined ? operator : operator.timeout(timeout);
}

let emitter;
function outside({ nsp, to = [], except = [] }) {
  emitter ??= new PostgresEmitter(pool(), "/", rest);
  return (nsp ? emitter.of(nsp) : emitter).to(to).except(except);
}

io.on("connection", (socket) => {
  socket.data = { user: "node" };
  socket.on("echo", (...args) => args.pop()(...args));
});
io.on("hello", (...args) => {
  const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
  say({ ev: "hello", args });
  ack?.({ from: "node", args });
});

io.on("leave", () => io.of("/").adapter.close());

const commands = {
  of: ({ nsp }) => void io.of(nsp),
  askOne: async (c) => (await target(c).fetchSockets())[0].timeout(15_000).emitWithAck(c.event, ...unpack(c.args)),
  emitter: ({ method, args, ...c }) => void outside(c)[method](...unpack(args)),
  emit: (c) => void target(c).emit(c.event, ...unpack(c.args)),
  emitMany: ({ sender, from, to }) => {
    for (let number = from; number < to; number++) io.emit("n", sender, number);
  },
  emitAck: (c) => target(c).emitWithAck(c.event, ...unpack(c.args)),
  fetch: async (c) =>
    (await target(c).fetchSockets()).map(({ id, rooms, data, handshake }) => ({ id, rooms: [...rooms], data, handshake })),
  join: (c) => void target(c).socketsJoin(c.rooms),
  leave: (c) => void target(c).socketsLeave(c.rooms),
  disconnect: (c) => void target(c).disconnectSockets(c.close),
  serverSideEmit: (c) => void io.serverSideEmit(c.event, ...unpack(c.args)),
  serverSideEmitAck: (c) => io.serverSideEmitWithAck(c.event, ...unpack(c.args)),
  allRooms: async () => [...(await io.of("/").adapter.allRooms())],
  serverCount: () => io.of("/").adapter.serverCount(),
  localRooms: () => [...io.of("/").adapter.rooms.keys()],
};

http.listen(0, "127.0.0.1", () => console.log(http.address().port));
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  // Begun in order; answers may come in another.
  Promise.resolve()
    .then(() => commands[command.op](command))
    .then((ok) => say({ id: command.id, ok: ok ?? null }))
    .catch((error) => say({ id: command.id, error: error.message }));
}
process.exit(0);
