// Clients of Socket.IO at a proxy in front of several gateways, each from an address of its own, that talk to each other.
//
//   node gateways.mjs URL TRANSPORTS NUMBER
import assert from "node:assert/strict";
import http from "node:http";
import { io } from "socket.io-client";
import { ask, next } from "./waiting.mjs";

const [url, transports, number] = process.argv.slice(2);
const room = `room-${transports}`;
const clients = [];
for (let n = 1; n <= Number(number); n += 1) {
  const agent = new http.Agent({ localAddress: `127.0.0.${n}`, keepAlive: true });
  const options = { transports: transports.split(","), agent, forceNew: true, reconnection: false };
  const client = io(url, options);
  await next(client, "connect");
  if (transports === "polling,websocket" && client.io.engine.transport.name !== "websocket") {
    await next(client.io.engine, "upgrade");
  }
  assert.deepEqual(await ask(client, "join", room), [{ room }]);
  clients.push(client);
}
for (const sender of clients) {
  const heard = clients.filter((client) => client !== sender).map((client) => next(client, "message"));
  sender.emit("message", { room, content: sender.id });
  for (const [message] of await Promise.all(heard)) {
    assert.equal(message.content, sender.id);
    assert.equal(message.from, sender.id);
  }
}
// The caller looks at the clients until its input ends.
console.log("talked");
process.stdin.resume();
process.stdin.on("end", async () => {
  // A client that polls and only exits is noticed late, if it is between two polls.
  const closed = clients.map((client) => next(client.io.engine, "close"));
  for (const client of clients) client.disconnect();
  await Promise.all(closed);
  process.exit();
});
