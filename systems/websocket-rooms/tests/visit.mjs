// The client ws of npm against the server; the last step is a stop signal.
//
//   node visit.mjs URL PID
import assert from "node:assert/strict";
import WebSocket from "ws";
import { next, soon } from "../../../tests/interop/waiting.mjs";

const [url, pid] = process.argv.slice(2);

/** A client whose messages are taken one after the other. */
class Client {
  constructor(query, options) {
    this.ws = new WebSocket(`${url}/?${new URLSearchParams(query)}`, options);
    this.came = [];
    this.waiting = [];
    this.ws.on("message", (data, binary) => {
      const message = binary ? data : this.read(data.toString());
      const waits = this.waiting.shift();
      waits ? waits(message) : this.came.push(message);
    });
  }
  read(text) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  message() {
    return this.came.length ? this.came.shift() : soon("a message", (came) => this.waiting.push(came));
  }
  send(message) {
    this.ws.send(typeof message === "string" || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }
  async ask(message) {
    this.send(message);
    return await this.message();
  }
}

async function join(query) {
  const client = new Client({ token: "open sesame", ...query });
  await next(client.ws, "open");
  // Joins the lobby first, so that the other clients receive the join before they continue.
  const me = await client.ask({ type: "me" });
  return [client, me];
}

for (const [query, headers] of [
  [{}, {}],
  [{ token: "guess" }, {}],
  [{}, { authorization: "Bearer guess" }],
]) {
  const refused = new Client(query, { headers });
  const [, response] = await next(refused.ws, "unexpected-response");
  assert.equal(response.statusCode, 401);
  refused.ws.on("error", () => {});
  refused.ws.terminate();
}

const [ada, me] = await join({ user: "ada", device: "mobile", version: "1.0" });
assert.equal(me.user, "ada");
assert.deepEqual(me.metadata, { device: "mobile", version: "1.0" });
assert.deepEqual([me.rooms, me.state], [["lobby"], "Open"]);
assert.ok(Math.abs(me.connected_at - Date.now() / 1000) < 60);
const [desk] = await join({ user: "ada", device: "desk" });
assert.deepEqual(await ada.message(), { type: "arrived", room: "lobby", who: "ada", now: 2 });
const [bob, { id }] = await join({});
for (const other of [ada, desk]) {
  assert.deepEqual(await other.message(), { type: "arrived", room: "lobby", who: id, now: 3 });
}

// Echoes, also of bytes.
assert.equal(await bob.ask("hello"), "Echo: hello");
assert.equal(await bob.ask("[1]"), "Echo: [1]");
assert.deepEqual(await bob.ask(Buffer.from([0, 255])), Buffer.from([0, 255]));
const large = "x".repeat(200_000);
assert.equal(await bob.ask(large), `Echo: ${large}`);

// Rooms.
assert.deepEqual(await bob.ask({ type: "say", room: "tea", text: "?" }), { type: "error", error: "join the room first" });
assert.deepEqual(await ada.ask({ type: "join", room: "tea" }), { type: "joined", room: "tea", rooms: 2 });
assert.deepEqual(await bob.ask({ type: "join", room: "tea" }), { type: "joined", room: "tea", rooms: 2 });
assert.deepEqual(await ada.message(), { type: "arrived", room: "tea", who: id, now: 2 });
assert.deepEqual(await bob.ask({ type: "say", room: "tea", text: "hi" }), { type: "reached", count: 1 });
assert.deepEqual(await ada.message(), { type: "said", from: id, room: "tea", text: "hi" });
assert.deepEqual(await bob.ask({ type: "leave", room: "tea" }), { type: "left", room: "tea" });
assert.deepEqual(await ada.message(), { type: "gone", room: "tea", who: id, now: 1 });
assert.match((await bob.ask({ type: "join", room: "" })).error, /1 to 100 bytes/);
assert.match((await bob.ask({ type: "join" })).error, /missing field/);
assert.match((await bob.ask({ type: "fly" })).error, /unknown variant/);

// A user, on all its connections; and all others.
assert.deepEqual(await bob.ask({ type: "tell", user: "ada", text: "psst" }), { type: "reached", count: 2 });
for (const other of [ada, desk]) {
  assert.deepEqual(await other.message(), { type: "said", from: id, room: null, text: "psst" });
}
assert.deepEqual(await ada.ask({ type: "announce", text: "all" }), { type: "reached", count: 2 });
for (const other of [desk, bob]) {
  assert.deepEqual(await other.message(), { type: "said", from: "ada", room: null, text: "all" });
}
assert.deepEqual(await bob.ask({ type: "stats" }), { type: "stats", connections: 3, rooms: 2, users: 1 });

// Pings are answered, with what they brought.
const pong = next(bob.ws, "pong");
bob.ws.ping("there?");
assert.equal((await pong)[0].toString(), "there?");

// The others are notified of a disconnect.
desk.ws.close(1000, "bye");
await next(desk.ws, "close");
for (const other of [ada, bob]) {
  assert.deepEqual(await other.message(), { type: "gone", room: "lobby", who: "ada", now: 2 });
}

const ends = [ada, bob].map(({ ws }) => next(ws, "close"));
process.kill(Number(pid), "SIGTERM");
for (const [code, reason] of await Promise.all(ends)) {
  assert.deepEqual([code, reason.toString()], [1001, "the server is shutting down"]);
}
console.log("ok");
process.exit(0);
