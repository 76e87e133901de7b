// Clients of both protocols on both ports; the last step is a stop signal.
//
//   node visit.mjs MAIN WEBSOCKET TOKEN PID
import assert from "node:assert/strict";
import { Native, SocketIo } from "./clients.mjs";

const [main, websocket, ada, pid] = process.argv.slice(2);
const json = async (url, options) => (await fetch(url, options)).json();

// The API, on the main port only; what this is, on both.
const acquired = await json(`${main}/api/auth/acquire-session`, { method: "POST" });
assert.equal(acquired.success, true);
const { token, expiresAt } = acquired.data;
assert.ok(Math.abs(new Date(expiresAt) - Date.now() - 3_600_000) < 60_000, expiresAt);
assert.equal((await fetch(`${websocket}/api/auth/acquire-session`, { method: "POST" })).status, 404);
assert.equal((await json(main)).name, "dual-gateway");
assert.equal((await fetch(websocket)).headers.get("content-type").split(";")[0], "application/json");
assert.equal((await json(`${main}/health`)).status, "ok");
for (const [origin, allowed] of [["https://good.test", "https://good.test"], ["https://evil.test", null]]) {
  const response = await fetch(`${main}/api/auth/acquire-session`, { method: "POST", headers: { origin } });
  assert.equal(response.headers.get("access-control-allow-origin"), allowed);
}

// Clients without a valid token are refused.
for (const query of ["", "?token=guess", `?token=${token}x`]) {
  for (const url of [main, websocket]) {
    assert.equal(await new SocketIo(url + "/" + query).refused(), "unauthorized");
  }
  assert.equal(await new Native(`${websocket}/${query}`).refused(), 401);
  assert.equal(await new Native(`${websocket}/ws${query}`).refused(), 401);
}
assert.equal(await new SocketIo(main, { auth: { token: 7 } }).refused(), "unauthorized");
const headers = (token) => ({ authorization: `Bearer ${token}` });
assert.equal(await new Native(websocket, { headers: headers("guess") }).refused(), 401);
assert.equal(await new Native(`${websocket}/?token=${token}`, { origin: "https://evil.test" }).refused(), 403);

// Pages of other origins do not come in on either port.
for (const url of [main, websocket]) {
  for (const [origin, status] of [["https://good.test", 200], ["https://evil.test", 403]]) {
    const handshake = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { headers: { origin } });
    assert.equal(handshake.status, status, `${url} ${origin}`);
  }
}

// With one they do, however they bring it.
const clients = [
  new SocketIo(main, { auth: { token } }),
  new SocketIo(main, { query: { token }, transports: ["websocket"] }),
  new SocketIo(main, { extraHeaders: headers(token), transports: ["polling"] }),
  new SocketIo(websocket, { auth: { token } }),
  new SocketIo(`${websocket}?token=${token}`),
  new Native(`${websocket}/ws?token=${token}`),
  new Native(`${websocket}/?token=${token}`, { origin: "https://fine.test" }),
  new Native(`${websocket}/`, { headers: headers(token) }),
];
for (const client of clients) {
  const { message, socketId, isLoggedIn } = await client.take("connected");
  assert.deepEqual([typeof message, isLoggedIn], ["string", false]);
  client.id = socketId;
}
assert.equal(new Set(clients.map(({ id }) => id)).size, clients.length);
const known = [new SocketIo(main, { auth: { token: ada } }), new Native(`${websocket}/?token=${ada}`)];
for (const client of known) {
  assert.equal((await client.take("connected")).isLoggedIn, true);
  client.emit("status");
  assert.equal((await client.take("status_response")).connection.user, "ada");
}

// The same events give the same answers.
const now = (timestamp) => Math.abs(new Date(timestamp) - Date.now()) < 60_000;
const shapes = [];
for (const client of clients) {
  const shape = [];
  const ask = async (event, data, answer) => {
    client.emit(event, data);
    const came = await client.take(answer);
    shape.push(Object.keys(came).sort());
    return came;
  };
  assert.ok(now((await ask("ping", undefined, "pong")).timestamp));
  assert.ok(now((await ask("ping", {}, "pong")).timestamp));
  const status = await ask("status", {}, "status_response");
  assert.equal(status.server.status, "ok");
  assert.equal(status.connection.socketId, client.id);
  const echo = await ask("echo", { message: "grüß dich" }, "echo_response");
  assert.deepEqual([echo.received, echo.socketId], [{ message: "grüß dich" }, client.id]);
  assert.equal((await ask("echo", "Hello World", "echo_response")).received, "Hello World");
  const info = await ask("info", {}, "info_response");
  assert.equal(info.session.protocol, client instanceof Native ? "native" : "socket.io");
  const sent = await ask("message", { content: "hello" }, "message_received");
  assert.deepEqual([sent.success, sent.data], [true, { content: "hello" }]);
  // A message reaches all others, over whatever they came.
  for (const other of [...clients, ...known]) {
    if (other !== client) {
      const heard = await other.take("message");
      assert.deepEqual([heard.content, heard.from], ["hello", client.id]);
    }
  }

  client.emit("ai:chat", { message: "Hello, AI!", conversationHistory: [{ role: "user", content: "Hi" }] });
  const { messageId } = await client.take("ai:response:start");
  const { fullResponse, ...complete } = await client.take("ai:response:complete");
  assert.deepEqual([fullResponse, complete], ['You said "Hello, AI!", after 1 messages.', { messageId }]);
  const chunks = client.came.filter(([event]) => event === "ai:response:chunk").map(([, data]) => data);
  assert.ok(chunks.length > 3 && chunks.every((chunk) => chunk.messageId === messageId));
  assert.equal(chunks.map(({ chunk }) => chunk).join(""), fullResponse);
  client.came = client.came.filter(([event]) => event !== "ai:response:chunk");
  for (const wrong of [undefined, "hello", {}, ["hello"], { message: 7 }, { message: " " }, { message: "x".repeat(20_000) }]) {
    const { error } = await ask("ai:chat", wrong, "ai:response:error");
    assert.match(error, /expected|empty|longer/);
  }
  shapes.push(shape);
}
for (const shape of shapes) {
  assert.deepEqual(shape, shapes[0]);
}
for (const client of clients) {
  assert.deepEqual(client.rest.filter((event) => event !== "connect"), []);
}

// The program ends after a stop signal, and all clients are notified.
process.kill(Number(pid), "SIGTERM");
await Promise.all([...clients, ...known].map(({ ended }) => ended));
console.log("ok");
process.exit(0);
