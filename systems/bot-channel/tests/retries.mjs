// A channel in front of two HTTP backends that fail for a while, with npm's socket.io-client.
//
//   node retries.mjs PROGRAM FOLDER
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import { next } from "../../../tests/interop/waiting.mjs";

const [program, folder] = process.argv.slice(2);

// Each request is answered by the next step; the log names the backend.
const log = [];
const steps = [];
function backend(name) {
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      log.push(name);
      const step = steps.shift();
      assert.ok(step, "an unexpected request");
      step(response);
    });
  });
  return new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(server)));
}
const servers = [await backend("a"), await backend("b")];
let operators;

async function metrics() {
  const text = await (await fetch(`${operators}/metrics`)).text();
  const names = ["requests", "failures", "retries"].map((name) => `bot_channel_backend_${name}_total`);
  return names.map((name) => Number(text.match(new RegExp(`^${name} (.*)$`, "m"))[1]));
}

async function start(urls, more = "") {
  const config = `${folder}/bot.toml`;
  writeFileSync(
    config,
    `[socketio]
     apology = "Sorry."
     [agent]
     kind = "http"
     url = ${JSON.stringify(urls)}
     backoff_ms = 1
     ${more}
    `,
  );
  const channel = spawn(program, [config], {
    env: { ...process.env, ADDRESS: "127.0.0.1:0", OPERATOR_ADDRESS: "127.0.0.1:0", RUST_LOG: "off" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.on("exit", () => channel.kill());
  const lines = createInterface({ input: channel.stdout })[Symbol.asyncIterator]();
  const url = (await lines.next()).value.replace("listening on ", "");
  operators = (await lines.next()).value.replace("health and metrics on ", "");
  const socket = io(url, { transports: ["websocket"], forceNew: true });
  await next(socket, "connect");
  return async (message) => {
    log.length = 0;
    const answer = next(socket, "bot_uttered");
    socket.emit("user_uttered", { message });
    return (await answer)[0].text;
  };
}

const status = (code, headers = {}) => (response) => response.writeHead(code, headers).end();
const answer = (text) => (response) => response.end(JSON.stringify({ text }));
const url = (server) => `http://127.0.0.1:${server.address().port}/webhooks/rest/webhook`;

let say = await start(servers.map(url));
steps.push(status(502), status(503), status(504), answer("hello"));
assert.deepEqual([await say("hi"), log.join("")], ["hello", "abab"]);
assert.deepEqual(await metrics(), [4, 3, 3]);
// The backend that has answered last is the first one from then on.
steps.push(answer("hello again"));
assert.deepEqual([await say("hi"), log.join("")], ["hello again", "b"]);
// The attempts end.
steps.push(status(503), status(503), status(503), status(503));
assert.deepEqual([await say("hi"), log.join("")], ["Sorry.", "baba"]);
// No other error is repeated: the backend may have processed the message.
for (const wrong of [
  status(500),
  status(429),
  (response) => response.socket.destroy(),
  (response) => response.end("no JSON"),
]) {
  steps.push(wrong);
  assert.deepEqual([await say("hi"), log.length], ["Sorry.", 1]);
}
assert.deepEqual(await metrics(), [13, 11, 6]);
// Nor is an answer of which a part has been sent.
steps.push((response) => {
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  response.write('{"text":"one"}\n');
  response.socket.end();
});
assert.deepEqual([await say("hi"), log.length], ["one", 1]);
assert.equal(steps.length, 0);

// Retry-After is observed, within the total time: the second answer would take longer.
say = await start(url(servers[0]), "retry_ms = 5000");
steps.push(status(503, { "retry-after": "1" }), answer("after a second"));
assert.deepEqual([await say("hi"), log.join("")], ["after a second", "aa"]);
steps.push(status(503, { "retry-after": "60" }));
assert.deepEqual([await say("hi"), log.join("")], ["Sorry.", "a"]);

// A backend that is down is left for the other one. No program listens on port 1 of this loopback address.
say = await start(["http://127.0.0.2:1/", url(servers[0])]);
steps.push(answer("from the other"), answer("again"));
assert.deepEqual([await say("hi"), log.join("")], ["from the other", "a"]);
assert.deepEqual([await say("hi"), log.join("")], ["again", "a"]);
assert.equal(steps.length, 0);
console.log("ok");
process.exit(0);
