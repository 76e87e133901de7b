// Clients of both protocols through a proxy.
//
//   node through.mjs URL TOKEN TRANSPORTS
import assert from "node:assert/strict";
import { Native, SocketIo } from "./clients.mjs";

const [url, token, transports] = process.argv.slice(2);
const clients = [
  new SocketIo(url, { auth: { token }, transports: transports.split(",") }),
  new Native(`${url}/ws?token=${token}`),
  new Native(url, { headers: { authorization: `Bearer ${token}` } }),
];
for (const client of clients) {
  await client.take("connected");
}
for (const client of clients) {
  client.emit("echo", "grüß dich");
  assert.equal((await client.take("echo_response")).received, "grüß dich");
  client.emit("message", { content: "hello" });
  for (const other of clients.filter((other) => other !== client)) {
    assert.equal((await other.take("message")).content, "hello");
  }
}
console.log("ok");
process.exit(0);
