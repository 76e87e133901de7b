// What the admin UI receives from this server, compared with the official server message by message.
//
//   node admin.mjs URL MODE
//
// MODE is development or production. Both servers have the handlers of `serve` below.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { instrument } from "@socket.io/admin-ui";
import { Server } from "socket.io";
import { Manager } from "socket.io-client";
import { next, soon } from "./waiting.mjs";

const [ours, mode] = process.argv.slice(2);
/** The hash of `changeit`. */
const hash = "$2a$04$1et7WCAXJnJEKLFQGEy2z.GbZCvbtdOCR1Pzooxz3ID88JtTe8yZu";
const manager = (url, transports) => new Manager(url, { transports, reconnection: false });

async function serve() {
  const http = createServer();
  const io = new Server(http);
  instrument(io, { auth: { type: "basic", username: "admin", password: hash }, mode, serverId: "one" });
  io.of("/chat").on("connection", (socket) => {
    socket.on("join", async (room, answer) => {
      await socket.join(room);
      io.of("/chat").to(room).emit("joined", { room, bytes: Buffer.from([1, 2]) });
      answer(room);
    });
    socket.on("leave", (room) => socket.leave(room));
    socket.on("rename", (name) => {
      socket.data.name = name;
      socket.emit("renamed");
    });
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${http.address().port}`, close: () => io.close() };
}

/** Connects as a page does, and notes each event. */
async function page(url, auth, log) {
  const socket = manager(url, ["websocket"]).socket("/admin", { auth });
  socket.onAny((event, ...args) => log.push([event, ...args]));
  await next(socket, "connect");
  return socket;
}

async function refused(url, auth) {
  const [error] = await next(manager(url, ["websocket"]).socket("/admin", { auth }), "connect_error");
  return error.message;
}

/** Waits until the log has this. */
function until(what, found) {
  return soon(what, (came) => {
    const timer = setInterval(() => {
      const value = found();
      if (value) {
        clearInterval(timer);
        came(value);
      }
    }, 5);
  });
}

/** The next event of this name behind those that the log has. */
const event = (log, name, from = 0) => until(name, () => log.slice(from).find(([found]) => found === name));

/** What happens, and what the page sees of it. */
async function scenario(url) {
  const auth = { username: "admin", password: "changeit" };
  const seen = {
    wrong: [
      await refused(url, { username: "admin", password: "wrong" }),
      await refused(url, { username: "root", password: "changeit" }),
      await refused(url, { sessionId: "0123456789abcdef" }),
      await refused(url, {}),
    ],
  };
  // The first page watches while the second one comes, which is the one whose events count.
  const first = [];
  const watching = await page(url, auth, first);
  const [, session] = await event(first, "session");
  const log = [];
  const socket = await page(url, { sessionId: session }, log);
  await event(log, mode === "development" ? "all_sockets" : "config");
  const [, stats] = await event(log, "server_stats");
  seen.stats = [Object.keys(stats), stats.serverId, stats.pid > 0, stats.uptime > 0, stats.clientsCount];
  seen.namespaces = stats.namespaces.map(({ name }) => name).sort();

  const ada = manager(url, ["websocket"]).socket("/chat", { auth: { token: "secret" }, query: { a: "b" } });
  await next(ada, "connect");
  const joined = next(ada, "joined");
  assert.equal(await ada.emitWithAck("join", "r"), "r");
  assert.deepEqual((await joined)[0].bytes, Buffer.from([1, 2]));
  ada.emit("rename", "ada");
  await next(ada, "renamed");
  // The commands of the page.
  const told = next(ada, "told");
  socket.emit("emit", "/chat", "r", "told", 1, { bytes: Buffer.from([3]) });
  assert.deepEqual(await told, [1, { bytes: Buffer.from([3]) }]);
  const all = next(ada, "all");
  socket.emit("emit", "/chat", undefined, "all");
  await all;
  socket.emit("join", "/chat", "second", ada.id);
  if (mode === "development") await room(log, "room_joined", "second");
  socket.emit("leave", "/chat", "r", "r");
  if (mode === "development") await room(log, "room_left", "r");
  socket.emit("emit", "/nowhere", undefined, "nobody");
  const gone = next(ada, "disconnect");
  socket.emit("_disconnect", "/chat", false, ada.id);
  assert.equal((await gone)[0], "io server disconnect");
  if (mode === "development") await event(log, "socket_disconnected");

  const late = manager(url, ["polling", "websocket"]).socket("/");
  await next(late, "connect");
  const upgraded = next(late.io.engine, "upgrade");
  if (late.io.engine.transport.name === "polling") await upgraded;
  if (mode === "development") await updated(log);
  late.disconnect();
  if (mode === "development") await left(log, 2);
  const [, later] = await event(log, "server_stats", log.length);
  seen.kinds = later.aggregatedEvents.map(({ type }) => type).filter((type) => type.endsWith("In")).sort();
  seen.log = normal(log, { [ada.id]: "ada", [socket.id]: "page", [watching.id]: "watching" });
  watching.disconnect();
  socket.disconnect();
  return seen;
}

const room = (log, change, name) =>
  until(`${change} ${name}`, () => log.some(([found, , room]) => found === change && room === name));
const updated = (log) =>
  until("an upgrade", () => log.some(([found, { transport }]) => found === "socket_updated" && transport));
const left = (log, count) =>
  until("the end", () => log.filter(([found]) => found === "socket_disconnected").length >= count);

/** The log without statistics, and with names in place of what differs from run to run. */
function normal(log, names) {
  const ids = new Map(Object.entries(names));
  const text = (value) => {
    if (typeof value === "string") {
      if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value)) return "TIME";
      return ids.get(value) ?? value;
    }
    if (Buffer.isBuffer(value)) return [...value];
    if (Array.isArray(value)) return value.map(text);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, value]) => [key, member(key, value)]));
  };
  const member = (key, value) => {
    if (key === "issued") return typeof value;
    if (key === "time") return typeof value;
    if (key === "clientId") return value.length;
    if (key === "url") return value.replace(/[&?](t|sid)=[^&]*/g, "");
    if (key === "query") return text({ ...value, t: undefined });
    // `host` has a port. The header of WebSockets is random.
    if (key === "headers") return Object.keys(value).sort();
    if (key === "address") return value.replace("::ffff:", "");
    return text(value);
  };
  for (const [event, socket] of log) {
    if (event === "socket_connected" && !ids.has(socket.id)) ids.set(socket.id, `socket ${ids.size}`);
  }
  return log
    .filter(([event]) => event !== "server_stats")
    .map((entry) => {
      if (entry[0] === "all_sockets") {
        return ["all_sockets", text(entry[1]).sort((a, b) => (a.id < b.id ? -1 : 1))];
      }
      return text(entry);
    });
}

const official = await serve();
const [expected, found] = [await scenario(official.url), await scenario(ours)];
official.close();
for (const key of Object.keys(expected).filter((key) => key !== "log")) {
  assert.deepEqual(found[key], expected[key], key);
}
const lines = (log) => log.map((entry) => JSON.stringify(entry)).join("\n");
assert.equal(lines(found.log), lines(expected.log));
console.log("ok");
process.exit(0);
