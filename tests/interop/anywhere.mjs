// Clients of Socket.IO at a proxy without sticky sessions, in front of several gateways. They talk to each other, and then
// receive numbers while gateways end.
//
//   node anywhere.mjs URL TRANSPORTS NUMBER
//
// Prints "talked". The line "until N" of the standard input waits until each client has received the number N, and prints
// a report as JSON; "heard N" waits likewise, without a report.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import { ask, next } from "./waiting.mjs";

const [url, transports, number] = process.argv.slice(2);
const room = `room-${transports}`;
const clients = [];
for (let n = 0; n < Number(number); n += 1) {
  const options = { transports: transports.split(","), forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 200 };
  const socket = io(url, options);
  const client = { socket, joined: true, numbers: [], disconnects: [], recovered: 0, fresh: 0 };
  await next(socket, "connect");
  if (transports === "polling,websocket" && socket.io.engine.transport.name !== "websocket") {
    await next(socket.io.engine, "upgrade");
  }
  assert.deepEqual(await ask(socket, "join", room), [{ room }]);
  assert.equal((await ask(socket, "echo", n))[0].received, n);
  socket.on("number", (value) => client.numbers.push(value));
  socket.on("disconnect", (reason) => client.disconnects.push(reason));
  socket.on("connect", () => {
    client[socket.recovered ? "recovered" : "fresh"] += 1;
    if (!socket.recovered) client.joined = false;
    if (!client.joined) socket.emit("join", room, () => (client.joined = true));
  });
  client.id = socket.id;
  clients.push(client);
}
for (const sender of clients) {
  const others = clients.filter((client) => client !== sender);
  const contents = [["message", sender.id], ["file", Buffer.from(sender.id)]];
  for (const [event, content] of contents) {
    const heard = others.map((client) => next(client.socket, event));
    sender.socket.emit(event, { room, content });
    for (const [message] of await Promise.all(heard)) assert.deepEqual(message.content, content);
  }
}
console.log("talked");

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const [command, last] = line.split(" ");
    while (clients.some(({ numbers }) => numbers.at(-1) !== Number(last))) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const report = ({ id, numbers, disconnects, recovered, fresh }) => ({ id, numbers, disconnects, recovered, fresh });
    console.log(command === "until" ? JSON.stringify(clients.map(report)) : "heard");
  })
  .on("close", () => process.exit());
