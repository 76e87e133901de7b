// Clients of Socket.IO on a gateway whose backend is gateway/examples/webhooks/backend.py, and what they see when it is
// killed and started again.
//
//   node webhooks.mjs URL BACKEND PORT SECRET
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { ask, next, soon } from "./waiting.mjs";

const [url, script, port, secret] = process.argv.slice(2);

/** Starts the backend and waits until it listens. */
async function start(port) {
  const env = { ...process.env, WEBHOOK_SECRET: secret };
  const backend = spawn("python3", ["-B", script, port], { env, stdio: ["ignore", "pipe", "inherit"] });
  await soon("the backend's port", (came) => backend.stdout.once("data", came));
  return backend;
}

function stop(backend) {
  return soon("the backend's end", (came) => {
    backend.once("exit", came);
    backend.kill("SIGKILL");
  });
}

const open = (auth) => io(url, { auth, forceNew: true, reconnection: false });

let backend = await start(port);
try {
  const anonymous = open({});
  const [refusal] = await next(anonymous, "connect_error");
  assert.equal(refusal.message, "a name is required");
  assert.deepEqual(refusal.data, { code: "name_required" });
  anonymous.close();

  const ada = open({ name: "ada" });
  await next(ada, "connect");
  const joined = next(ada, "joined");
  const bob = open({ name: "bob" });
  await next(bob, "connect");
  assert.deepEqual(await joined, [{ name: "bob" }]);

  const heard = next(bob, "said");
  assert.deepEqual(await ask(ada, "say", "hello"), [{ delivered: true }]);
  assert.deepEqual(await heard, [{ from: "ada", text: "hello" }]);
  assert.deepEqual(await ask(ada, "dance"), [{ error: "unknown event dance" }]);

  // Native clients with a name receive the same events; they have no auth.
  const refused = new WebSocket(url.replace("http", "ws"));
  const [response] = await soon("a refusal", (came) => {
    refused.on("unexpected-response", (_, response) => came([response]));
  });
  assert.equal(response.statusCode, 403);
  response.destroy();

  // The backend is killed. Connected clients stay connected and receive errors.
  await stop(backend);
  const [{ error }] = await ask(ada, "say", "is anybody there?");
  assert.match(error, /^the (backend|connection)/);
  // A new client is not refused, which would be final: it loses the connection and tries again.
  const late = io(url, { auth: { name: "late" }, forceNew: true, reconnectionDelayMax: 500, transports: ["websocket"] });
  late.on("connect_error", (error) => assert.fail(error));
  assert.equal((await next(late, "disconnect"))[0], "transport close");
  assert.deepEqual((await ask(ada, "echo", 1))[0].received, 1);
  const gone = next(ada, "left");
  bob.close();

  // The backend is available again: it receives the disconnect of bob, and later events.
  backend = await start(port);
  const [left] = await gone;
  assert.deepEqual(left, { name: "bob", reason: "client namespace disconnect" });
  if (!late.connected) await next(late, "connect");
  const lateLeft = next(ada, "left");
  late.close();
  assert.equal((await lateLeft)[0].name, "late");
  const again = next(ada, "said");
  assert.deepEqual(await ask(ada, "say", "welcome back"), [{ delivered: true }]);
  assert.deepEqual(await again, [{ from: "ada", text: "welcome back" }]);
  const eve = open({ name: "eve" });
  await next(eve, "connect");
  ada.close();
  await next(eve, "left");
  eve.close();
} finally {
  await stop(backend);
}
console.log("ok");
