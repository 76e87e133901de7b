// The features of the official Socket.IO client against this server.
//
//   node socketio.mjs URL VERSION TRANSPORTS [msgpack]
//
// VERSION is 2, 3 or 4. The names of the visitors are those that the server writes down when they leave.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { ask, next, soon } from "./waiting.mjs";

const require = createRequire(import.meta.url);
const [url, version, transports, parser] = process.argv.slice(2);
const { Manager } = require({ 2: "socket.io-client-v2", 3: "socket.io-client-v3", 4: "socket.io-client" }[version]);
const quick = { reconnectionDelay: 10, reconnectionDelayMax: 50, randomizationFactor: 0 };
const options = {
  transports: transports.split(","),
  reconnection: false,
  ...(parser === "msgpack" ? { parser: require("socket.io-msgpack-parser") } : {}),
};

/** A socket of a manager. What later versions put into the CONNECT packet, version 2 puts into a query string. */
function join(manager, namespace, auth = {}) {
  return manager.socket(namespace, version === "2" ? { query: new URLSearchParams(auth).toString() } : { auth });
}

function connect(namespace, auth, more = {}) {
  return join(new Manager(url, { ...options, ...more }), namespace, auth);
}

/** What a refused client gets: an error with data, or in version 2 the data, or the message if there is none. */
async function refusal(socket) {
  const [error] = await next(socket, version === "2" ? "error" : "connect_error");
  return version === "2" ? error : [error.message, error.data];
}

const bytes = (...numbers) => Buffer.from(numbers);

// Refused with data and without, then let in.
assert.deepEqual(
  await refusal(connect("/chat", { token: "bad" })),
  version === "2" ? { code: 7 } : ["not allowed", { code: 7 }],
);
assert.deepEqual(
  await refusal(connect("/nowhere")),
  version === "2" ? "Invalid namespace" : ["Invalid namespace", undefined],
);
const ada = connect("/chat", { token: "good", name: "ada" });
const bob = connect("/chat", { token: "good", name: "bob" });
await Promise.all([next(ada, "connect"), next(bob, "connect")]);
assert.notEqual(ada.id, bob.id);
assert.deepEqual(await ask(ada, "who am I"), [ada.id, ada.io.engine.id]);
assert.deepEqual(await ask(ada, "credentials"), [{ token: "good", name: "ada" }]);
if (version === "2") {
  assert.equal(ada.id, `/chat#${ada.io.engine.id}`);
} else {
  assert.equal(ada.id.length, 20);
  assert.notEqual(ada.id, ada.io.engine.id);
}

// Events with answers: text, nothing, several, binary at any depth.
assert.deepEqual(await ask(ada, "echo", 1, "2", { 3: [true, null] }), [1, "2", { 3: [true, null] }]);
assert.deepEqual(await ask(ada, "echo"), []);
const [answer] = await ask(ada, "echo", { a: [bytes(1, 2)], b: Buffer.alloc(0), c: "é€😀" });
assert.deepEqual(Buffer.from(answer.a[0]), bytes(1, 2));
assert.equal(Buffer.from(answer.b).length, 0);
assert.equal(answer.c, "é€😀");

// Events without: what is sent comes back as another event, binary too.
for (const args of [["a", 1], [bytes(7, 8, 9), "b"], []]) {
  const echoed = next(ada, "echoed");
  ada.emit("echo", ...args);
  assert.deepEqual(
    (await echoed).map((arg) => (typeof arg === "object" ? Buffer.from(arg) : arg)),
    args,
  );
}

// The server asks, for text and for bytes.
ada.on("question", (a, b, reply) => reply(a + b));
ada.on("reverse", (data, reply) => reply(Buffer.from(data).reverse()));
assert.deepEqual(await ask(ada, "ask me"), [42]);
const [reversed] = await ask(ada, "ask me for bytes");
assert.deepEqual(Buffer.from(reversed), bytes(3, 2, 1));

// Rooms: an event to the others, and one that all sockets acknowledge.
for (const socket of [ada, bob]) assert.deepEqual(await ask(socket, "join", "lobby"), []);
const heard = next(bob, "said");
ada.emit("say", "lobby", { text: "hello", picture: Buffer.from("png") });
const [said] = await heard;
assert.equal(said.text, "hello");
assert.equal(Buffer.from(said.picture).toString(), "png");
ada.on("vote", (ballot, reply) => reply(["ada", Buffer.from(ballot)]));
bob.on("vote", (ballot, reply) => reply(["bob", Buffer.from(ballot).reverse()]));
const [votes] = await ask(ada, "vote", "lobby");
assert.deepEqual(
  votes.map(([name, ballot]) => [name, Buffer.from(ballot)]),
  [
    ["ada", bytes(1, 2)],
    ["bob", bytes(2, 1)],
  ],
);

// Volatile events may get lost, but not doubled or out of order.
const ticks = [];
await soon("three volatile events", (came) => {
  let number = 0;
  const timer = setInterval(() => ada.emit("tick", number++), 5);
  ada.on("ticked", (tick) => {
    ticks.push(tick);
    if (ticks.length < 3) return;
    clearInterval(timer);
    ada.off("ticked");
    came();
  });
});
assert.deepEqual(ticks, [...new Set(ticks)].sort((one, other) => one - other));

// A thousand events keep their order, also while the transport changes.
const eve = connect("/chat", { token: "good", name: "eve" }, { reconnection: true, ...quick });
const numbers = [];
await soon("a thousand numbers", (came) => {
  eve.on("number", (number) => {
    numbers.push(number);
    if (numbers.length === 1000) came();
  });
  eve.once("connect", () => {
    for (let number = 0; number < 1000; number++) eve.emit("number", number);
  });
});
assert.deepEqual(numbers, [...Array(1000).keys()]);
const { engine } = eve.io;
const last = options.transports.at(-1);
if (engine.transport.name !== last) await next(engine, "upgrade");
assert.equal(engine.transport.name, last);

// Several namespaces over one connection. One can be left alone.
const manager = new Manager(url, options);
const dan = join(manager, "/chat", { token: "good", name: "dan" });
const reader = join(manager, "/news", { name: "dan" });
await Promise.all([next(dan, "connect"), next(reader, "connect")]);
assert.deepEqual(await ask(dan, "who am I"), [dan.id, manager.engine.id]);
assert.deepEqual(await ask(reader, "who am I"), [reader.id, manager.engine.id]);
assert.notEqual(dan.id, reader.id);
reader.disconnect();
assert.deepEqual(await ask(dan, "echo", "still there"), ["still there"]);
const back = next(reader, "connect");
reader.connect();
await back;
assert.deepEqual(await ask(reader, "echo", "back again"), ["back again"]);

// A client whose connection is cut reconnects by itself with a new id, and sends its queued events.
const before = eve.id;
const waiting = soon("an answer to what had to wait", (came) =>
  eve.once("disconnect", (reason) => eve.emit("echo", "late", (answer) => came([reason, answer]))),
);
const again = next(eve, "connect");
eve.emit("cut me off");
await again;
assert.deepEqual(await waiting, ["transport close", "late"]);
assert.notEqual(eve.id, before);
assert.deepEqual(await ask(eve, "who am I"), [eve.id, eve.io.engine.id]);

// Ways to leave.
const byServer = next(bob, "disconnect");
bob.emit("throw me out");
assert.equal((await byServer)[0], "io server disconnect");
const byClient = next(ada, "disconnect");
ada.disconnect();
assert.equal((await byClient)[0], "io client disconnect");
const forced = next(eve, "disconnect");
eve.io.reconnection(false);
eve.io.engine.close();
assert.equal((await forced)[0], "forced close");
const closed = [dan, reader].map((socket) => next(socket, "disconnect"));
dan.emit("close the server");
for (const [reason] of await Promise.all(closed)) assert.equal(reason, "transport close");
console.log("ok");
process.exit(0);
