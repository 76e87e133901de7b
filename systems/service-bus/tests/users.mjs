// Users of npm's socket.io-client, a service of it, and one that has HTTP only.
//
//   node users.mjs URL KEY
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { ask, next, soon } from "../../../tests/interop/waiting.mjs";

const [url, key] = process.argv.slice(2);

async function join(auth, transports = ["polling", "websocket"]) {
  const socket = io(url, { auth, transports, reconnection: false, forceNew: true });
  await next(socket, "connect");
  return socket;
}

const ada = await join({ user_id: "ada" });
const desk = await join({ user_id: "ada" }, ["polling"]);
const bob = await join({ user_id: "bob" }, ["websocket"]);
const anonymous = await join({});

// The services receive an event of a user; the chat service forwards it to all clients of the recipient.
const heard = [ada, desk].map((socket) => next(socket, "chat:message"));
for (const stranger of [bob, anonymous]) {
  stranger.on("chat:message", () => assert.fail("this event was for another user"));
}
bob.emit("chat:message", { recipient_id: "ada", content: "Hello, world!", source: "the boss", user_id: "eve" });
for (const [event] of await Promise.all(heard)) {
  const { timestamp, event_id, ...rest } = event;
  assert.match(event_id, /^[0-9a-f]{32}$/);
  assert.ok(Math.abs(timestamp - Date.now() / 1000) < 60);
  // A client cannot send as another user.
  assert.deepEqual(rest, {
    type: "chat:message",
    source: "chat",
    recipient_id: "ada",
    content: "Hello, world!",
    user_id: "bob",
  });
}

// Presence.
for (const [user_id, online] of [["ada", true], ["eve", false]]) {
  const update = next(bob, "presence:update");
  bob.emit("presence:query", { user_id });
  const [event] = await update;
  assert.deepEqual([event.type, event.user_id, event.online], ["presence:update", user_id, online]);
}

// Only services give orders.
assert.deepEqual(await ask(bob, "broadcast", { event: { type: "notification" } }), [
  { error: "only services may do this" },
]);
assert.match((await ask(bob, "chat:message", "hello"))[0].error, /expected an object/);
const refused = io(url, { auth: { service: "x", key: "guess" }, reconnection: false, forceNew: true });
assert.equal((await next(refused, "connect_error"))[0].message, "not a service");
refused.close();

// A service in Node.js, and one that has HTTP only.
const service = await join({ service: "node", key });
let note = next(anonymous, "notification");
const event = { type: "notification", text: "hello" };
assert.deepEqual(await ask(service, "emit_to_client", { client_id: anonymous.id, event }), [{ reached: 1 }]);
assert.equal((await note)[0].source, "node");
// Binary data arrives as it was sent, in both directions.
const file = Buffer.from([1, 2, 3]);
const typing = next(service, "chat:typing");
bob.emit("chat:typing", { files: [file] });
assert.deepEqual((await typing)[0].files, [file]);
note = next(anonymous, "notification");
assert.deepEqual(
  await ask(service, "emit_to_client", { client_id: anonymous.id, event: { type: "notification", file } }),
  [{ reached: 1 }],
);
assert.deepEqual((await note)[0].file, file);
const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
const post = async (op, body) =>
  (await fetch(`${url}/api/${op}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
assert.deepEqual(await post("join_room", { client_id: anonymous.id, room: "tea" }), { success: true, reached: 1 });
const { rooms } = await (await fetch(`${url}/api/rooms`, { headers })).json();
assert.deepEqual(rooms.tea, [anonymous.id]);
assert.deepEqual(rooms["user:ada"].sort(), [ada.id, desk.id].sort());
assert.equal(rooms.services.length, 2);
note = next(anonymous, "notification");
assert.deepEqual(await post("emit_to_room", { room: "tea", event, source: "curl" }), { success: true, reached: 1 });
assert.equal((await note)[0].source, "curl");
assert.deepEqual(await post("emit_to_user", { user_id: "ada", event }), { success: true, reached: 2 });
assert.deepEqual(await post("emit_to_client", { client_id: bob.id, event }), { success: true, reached: 1 });
assert.equal((await post("broadcast", { event })).reached, 6);
assert.deepEqual(await post("leave_room", { client_id: anonymous.id, room: "tea" }), { success: true, reached: 1 });
assert.deepEqual(await post("emit_to_room", { room: "tea", event }), { success: true, reached: 0 });

// Disconnected users are offline.
for (const socket of [ada, desk, bob, anonymous, service]) {
  socket.close();
}
await soon("the end of all", async (came) => {
  for (;;) {
    const { rooms } = await (await fetch(`${url}/api/rooms`, { headers })).json();
    if (!rooms["user:ada"] && !rooms["user:bob"]) {
      return came();
    }
  }
});
console.log("ok");
process.exit(0);
