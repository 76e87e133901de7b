// A channel in front of an HTTP backend in Node.js, whose answers come piece by piece.
//
//   node backend.mjs PROGRAM FOLDER
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import { next, soon } from "../../../tests/interop/waiting.mjs";

const [program, folder] = process.argv.slice(2);

// What was asked waits here until the test answers it.
const asked = [];
const wanted = [];
const backend = createServer(async (request, response) => {
  let text = "";
  for await (const piece of request) text += piece;
  const question = { question: JSON.parse(text), request, response };
  const wants = wanted.shift();
  wants ? wants(question) : asked.push(question);
});
const question = () => (asked.length ? asked.shift() : soon("a question", (came) => wanted.push(came)));
await new Promise((listening) => backend.listen(0, "127.0.0.1", listening));

const config = `${folder}/bot.toml`;
writeFileSync(
  config,
  `[socketio]
   session_persistence = true
   apology = "Sorry."
   [agent]
   kind = "http"
   url = "http://127.0.0.1:${backend.address().port}/webhooks/rest/webhook?stream=true"
   authorization = "Bearer backend"
   max_reply_bytes = 1000
  `,
);
const channel = spawn(program, [config], {
  env: { ...process.env, ADDRESS: "127.0.0.1:0", OPERATOR_ADDRESS: "127.0.0.1:0", RUST_LOG: "off" },
  stdio: ["ignore", "pipe", "inherit"],
});
process.on("exit", () => channel.kill());
const [line] = await next(createInterface({ input: channel.stdout }), "line");
const url = line.replace("listening on ", "");

async function join(session) {
  const socket = io(url, { transports: ["websocket"], reconnection: false, forceNew: true });
  await next(socket, "connect");
  const confirmed = next(socket, "session_confirm");
  socket.emit("session_request", { session_id: session });
  return [socket, (await confirmed)[0]];
}

let [ada, session] = await join();
const say = (message, metadata) => ada.emit("user_uttered", { message, session_id: session, metadata });
const answer = (socket = ada) => next(socket, "bot_uttered");

// Each reply is passed on while the backend still thinks about the next.
say("hello", { from: "test" });
let { question: what, request, response } = await question();
assert.deepEqual(what, { sender: session, message: "hello", metadata: { from: "test" }, input_channel: "socketio" });
assert.deepEqual([request.method, request.url], ["POST", "/webhooks/rest/webhook?stream=true"]);
assert.equal(request.headers.authorization, "Bearer backend");
response.writeHead(200, { "content-type": "application/x-ndjson" });
let heard = answer();
response.write('{"recipient_id":"x","text":"one"}\n{"tex');
assert.deepEqual(await heard, [{ text: "one" }]);
heard = answer();
response.write('t":"two"}\n');
assert.deepEqual(await heard, [{ text: "two" }]);
// The client disconnects meanwhile, and receives the rest after the reconnect.
ada.close();
[ada] = await join(session);
heard = answer();
response.end('{"image":"u"}');
assert.deepEqual(await heard, [{ attachment: { type: "image", payload: { src: "u" } } }]);

// As server-sent events, and all at once.
say("events");
({ response } = await question());
response.writeHead(200, { "content-type": "text/event-stream" });
heard = answer();
response.end(': hello\nevent: reply\ndata: {"text":"event"}\n\ndata: [DONE]\n\n');
assert.deepEqual(await heard, [{ text: "event" }]);
say("all");
({ response } = await question());
response.writeHead(200, { "content-type": "application/json; charset=utf-8" });
heard = answer();
response.end('[\n{"text":"all"}\n]');
assert.deepEqual(await heard, [{ text: "all" }]);

// The messages of a conversation wait for one another, those of others do not.
say("first");
say("second");
const first = await question();
assert.equal(first.question.message, "first");
const [bob, other] = await join();
bob.emit("user_uttered", { message: "bob", session_id: other });
const bobs = await question();
assert.equal(bobs.question.message, "bob");
heard = answer(bob);
bobs.response.end('{"text":"to bob"}');
assert.deepEqual(await heard, [{ text: "to bob" }]);
assert.equal(asked.length, 0);
heard = answer();
first.response.end('{"text":"to the first"}');
assert.deepEqual(await heard, [{ text: "to the first" }]);
const second = await question();
assert.equal(second.question.message, "second");
second.response.end();

// What a backend can do wrong.
for (const wrong of [
  (response) => response.writeHead(500).end(),
  (response) => response.end("no JSON"),
  (response) => response.end('{"text":7}'),
  (response) => response.end("x".repeat(1001)),
  (response) => response.socket.destroy(),
  (response) => response.writeHead(200, { "content-length": 100 }) && response.write("{") && response.socket.end(),
]) {
  say("go wrong");
  heard = answer();
  wrong((await question()).response);
  assert.deepEqual(await heard, [{ text: "Sorry." }]);
}
backend.closeAllConnections();
await new Promise((closed) => backend.close(closed));
heard = answer();
say("hello?");
assert.deepEqual(await heard, [{ text: "Sorry." }]);
console.log("ok");
process.exit(0);
