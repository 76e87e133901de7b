// Connection state recovery: a client that loses its connection returns with its id and gets what it has missed.
//
//   node recover.mjs URL TOKEN
import assert from "node:assert/strict";
import { SocketIo } from "./clients.mjs";
import { next } from "../../../tests/interop/waiting.mjs";

const [url, token] = process.argv.slice(2);
const auth = { token };
const client = new SocketIo(url, { auth });
const { socketId } = await client.take("connected");
const other = new SocketIo(url, { auth });
await other.take("connected");
other.emit("message", { content: "before" });
assert.equal((await client.take("message")).content, "before");
await other.take("message_received");

// The connection is lost, and the others go on.
const lost = next(client.socket, "disconnect");
client.socket.io.engine.close();
await lost;
for (const content of ["one", "two", "three"]) {
  other.emit("message", { content });
  await other.take("message_received");
}
const back = next(client.socket, "connect");
client.socket.connect();
await back;
assert.equal(client.socket.recovered, true);
assert.equal(client.socket.id, socketId);
for (const content of ["one", "two", "three"]) {
  assert.equal((await client.take("message")).content, content);
}
client.emit("echo", "still here");
assert.equal((await client.take("echo_response")).socketId, socketId);
console.log("ok");
process.exit(0);
