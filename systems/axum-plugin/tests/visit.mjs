// The client socket.io-client of npm against the application, while HTTP requests cause emits; the last step is a stop signal.
//
//   node visit.mjs URL PID TRANSPORTS
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { ask, next, soon } from "../../../tests/interop/waiting.mjs";

const [url, pid, transports] = process.argv.slice(2);
const options = { transports: transports.split(","), reconnection: false, forceNew: true };
const post = (path, body) =>
  fetch(url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

/** A client that has joined a namespace, with what it was greeted with, if it is. */
async function join(namespace, greeting, more = {}) {
  const socket = io(url + namespace, { ...options, ...more });
  const greeted = greeting ? next(socket, greeting) : undefined;
  await next(socket, "connect");
  return [socket, greeted && (await greeted)];
}

const [ada, welcome] = await join("/", "welcome");
const [bob] = await join("/", "welcome");
assert.deepEqual(welcome, [{ msg: "Welcome!" }]);

// A message reaches all clients, with the name of its sender.
const heard = [ada, bob].map((socket) => next(socket, "response"));
ada.emit("message", { text: "Hello server!" });
for (const args of await Promise.all(heard)) {
  assert.deepEqual(args, [{ message: { text: "Hello server!" }, from: ada.id }]);
}

// Rooms, from the client's side.
const joined = next(bob, "joined_room");
bob.emit("join_room", "lobby");
assert.deepEqual(await joined, [{ room: "lobby" }]);
let said = next(bob, "room_message");
ada.on("room_message", () => assert.fail("ada is not in the room"));
ada.emit("send_to_room", { room: "lobby", message: "psst" });
assert.deepEqual(await said, [{ from: ada.id, message: "psst" }]);
// Binary data arrives as it was sent.
const file = Buffer.from([1, 2, 3]);
const seen = next(bob, "response");
ada.emit("message", { files: [file] });
assert.deepEqual(await seen, [{ message: { files: [file] }, from: ada.id }]);
said = next(bob, "room_message");
ada.emit("send_to_room", { room: "lobby", message: file });
assert.deepEqual(await said, [{ from: ada.id, message: file }]);

// What does not fit is answered with an error.
// A list is no object, although serde would read it as one.
assert.match((await ask(ada, "send_to_room", ["lobby", "psst"]))[0].error, /expected an object/);
const [{ error }] = await ask(ada, "send_to_room", { room: 7 });
assert.match(error, /argument 0/);

// Clients cannot join the room of another socket, nor an unlimited number of rooms.
assert.deepEqual(await ask(bob, "join_room", ada.id), [{ error: "this room belongs to another client" }]);
assert.match((await ask(bob, "join_room", "x".repeat(101)))[0].error, /1 to 100 bytes/);
for (let number = 1; number < 32; number += 1) {
  const came = next(bob, "joined_room");
  bob.emit("join_room", `room ${number}`);
  await came;
}
assert.deepEqual(await ask(bob, "join_room", "one more"), [{ error: "more than 32 rooms" }]);

// Emits from HTTP handlers: to all, to a room, to one.
const told = [ada, bob].map((socket) => next(socket, "notification"));
assert.deepEqual(await (await post("/notifications", "System update!")).json(), { reached: 2 });
assert.deepEqual(await Promise.all(told), [[{ message: "System update!" }], [{ message: "System update!" }]]);
said = next(bob, "room_event");
assert.deepEqual(await (await post("/rooms/lobby", "Hello room!")).json(), { reached: 1 });
assert.deepEqual(await said, [{ data: "Hello room!" }]);
said = next(ada, "private_msg");
assert.deepEqual(await (await post(`/clients/${ada.id}`, "Private data")).json(), { reached: 1 });
assert.deepEqual(await said, [{ message: "Private data" }]);
assert.equal((await post("/clients/unknown", "?")).status, 404);
assert.deepEqual((await (await fetch(url)).json()).clients, 2);

// Leaving a room.
const left = next(bob, "left_room");
bob.emit("leave_room", "lobby");
assert.deepEqual(await left, [{ room: "lobby" }]);
assert.deepEqual(await (await post("/rooms/lobby", "hello")).json(), { reached: 0 });

// A namespace of its own. Only members of a room may send to it.
const [cat] = await join("/chat");
assert.deepEqual(await ask(cat, "message", { room: "tea", message: "me too" }), [{ error: "join the room first" }]);
const arrived = next(cat, "joined");
cat.emit("join", { room: "tea" });
assert.deepEqual(await arrived, [{ room: "tea", user: cat.id }]);
const spoken = next(cat, "new_message");
assert.deepEqual(await ask(cat, "message", { room: "tea", message: "hello" }), [1]);
assert.deepEqual(await spoken, [{ user: cat.id, message: "hello" }]);

// Clients without a token are refused; the token may be in the query or in the credentials.
for (const more of [{}, { query: { token: "guess" } }, { auth: { token: "guess" } }, { auth: { token: 7 } }]) {
  const refused = io(`${url}/private`, { ...options, ...more });
  const [why] = await next(refused, "connect_error");
  assert.match(why.message, /not authenticated|credentials/);
  refused.close();
}
const [dan] = await join("/private", "authenticated", { query: { token: "open sesame" } });
const [eve] = await join("/private", "authenticated", { auth: { token: "open sesame" } });

// An HTTP handler disconnects a client.
const out = next(bob, "disconnect");
assert.equal((await fetch(`${url}/clients/${bob.id}`, { method: "DELETE" })).status, 204);
assert.equal((await out)[0], "io server disconnect");

// The application receives a stop signal: it emits a notification, then closes the connections, so that clients come
// back by themselves once it runs again.
const rest = [ada, cat, dan, eve];
const goodbye = next(ada, "notification");
const gone = rest.map((socket) => next(socket, "disconnect"));
process.kill(Number(pid), "SIGTERM");
assert.deepEqual(await goodbye, ["the server is shutting down"]);
for (const [reason] of await Promise.all(gone)) {
  assert.equal(reason, "transport close");
}
await soon("the end of the server", async (came) => {
  for (;;) {
    try {
      process.kill(Number(pid), 0);
      await new Promise((resolve) => setTimeout(resolve, 10));
    } catch {
      return came();
    }
  }
});
console.log("ok");
process.exit(0);
