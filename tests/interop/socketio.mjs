// An official Socket.IO client that goes through what applications do, against our server.
//
//   node socketio.mjs URL VERSION TRANSPORTS
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [url, version, transports] = process.argv.slice(2);
const { io } = require(version === "3" ? "socket.io-client-v3" : "socket.io-client");
const options = { transports: transports.split(","), forceNew: true, reconnection: false };

function connect(namespace, auth) {
  return io(url + namespace, { ...options, auth });
}

function next(socket, event) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${event} did not come`)), 10_000);
    socket.once(event, (...args) => {
      clearTimeout(timer);
      resolve(args);
    });
  });
}

function ask(socket, ...args) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer to ${args[0]}`)), 10_000);
    socket.emit(...args, (...answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}

// Refused with data, then let in.
const refused = connect("/chat", { token: "bad" });
const [error] = await next(refused, "connect_error");
assert.equal(error.message, "not allowed");
assert.deepEqual(error.data, { code: 7 });
const unknown = connect("/nowhere");
assert.equal((await next(unknown, "connect_error"))[0].message, "Invalid namespace");

const ada = connect("/chat", { token: "good", name: "ada" });
const bob = connect("/chat", { token: "good", name: "bob" });
await Promise.all([next(ada, "connect"), next(bob, "connect")]);
assert.equal(ada.id.length, 20);
assert.notEqual(ada.id, bob.id);
assert.notEqual(ada.id, ada.io.engine.id);

// Events with answers: text, nothing, several, binary at any depth.
assert.deepEqual(await ask(ada, "echo", 1, "2", { 3: [true, null] }), [1, "2", { 3: [true, null] }]);
assert.deepEqual(await ask(ada, "echo"), []);
const [answer] = await ask(ada, "echo", { a: [Buffer.from([1, 2])], b: Buffer.alloc(0), c: "é€😀" });
assert.deepEqual(Buffer.from(answer.a[0]), Buffer.from([1, 2]));
assert.equal(Buffer.from(answer.b).length, 0);
assert.equal(answer.c, "é€😀");

// The server asks.
ada.on("question", (a, b, reply) => reply(a + b));
assert.deepEqual(await ask(ada, "ask me"), [42]);

// Rooms.
const heard = next(bob, "said");
assert.deepEqual(await ask(bob, "join", "lobby"), []);
assert.deepEqual(await ask(ada, "join", "lobby"), []);
ada.emit("say", "lobby", { text: "hello", picture: Buffer.from("png") });
const [said] = await heard;
assert.equal(said.text, "hello");
assert.equal(Buffer.from(said.picture).toString(), "png");

// A thousand events keep their order, also while the transport changes.
const eve = connect("/chat", { token: "good", name: "eve" });
const numbers = [];
const done = new Promise((resolve) => {
  eve.on("number", (number) => {
    numbers.push(number);
    if (numbers.length === 1000) resolve();
  });
});
eve.on("connect", () => {
  for (let number = 0; number < 1000; number++) eve.emit("number", number);
});
await done;
assert.deepEqual(numbers, [...Array(1000).keys()]);

// Ways to leave.
const byServer = next(bob, "disconnect");
bob.emit("throw me out");
assert.equal((await byServer)[0], "io server disconnect");
const byClient = next(ada, "disconnect");
ada.disconnect();
assert.equal((await byClient)[0], "io client disconnect");
const closed = next(eve, "disconnect");
eve.emit("close the server");
assert.equal((await closed)[0], "transport close");
console.log("ok");
process.exit(0);
