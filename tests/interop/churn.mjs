// Clients of Socket.IO that come and go at a proxy in front of several gateways, some of which end. All clients of a room
// receive numbers, and each checks that no number is missing, doubled or out of order for as long as its session goes on or
// is recovered.
//
//   node churn.mjs URL NUMBER
//
// Prints "ready" when all clients have joined. A client is one of three kinds: polling alone, polling with an upgrade, and
// WebSocket alone. The line "stop" of the standard input ends the coming and going, and "stopped" is printed when all clients
// are there. The line "end N" waits until each client has the number N, and prints a report as JSON.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import { ask, next } from "./waiting.mjs";

const [url, number] = process.argv.slice(2);
const kinds = [["polling"], ["polling", "websocket"], ["websocket"]];
const total = { received: 0, missing: 0, doubled: 0, reordered: 0, opened: 0, recovered: 0, fresh: 0, disconnects: {}, wrong: [] };
let churning = true;

class Client {
  constructor(kind) {
    this.kind = kind;
    this.open();
  }

  open() {
    // The last number of this life; a life ends with a session that is not recovered.
    this.last = undefined;
    this.joined = false;
    const options = { transports: kinds[this.kind], forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 500 };
    this.socket = io(url, options);
    this.socket.on("number", (value) => this.number(value));
    this.socket.on("disconnect", (reason) => {
      const what = `${kinds[this.kind]}: ${reason}`;
      total.disconnects[what] = (total.disconnects[what] ?? 0) + 1;
    });
    this.socket.on("connect", () => {
      if (this.socket.recovered) {
        total.recovered += 1;
      } else {
        total[this.last === undefined ? "opened" : "fresh"] += 1;
        this.last = undefined;
        this.joined = false;
      }
      // Also if the answer to an earlier one was lost.
      if (!this.joined) this.socket.emit("join", "churn", () => (this.joined = true));
    });
    // Some seconds, each time others.
    if (churning) this.timer = setTimeout(() => this.leave(), 5_000 + Math.random() * 40_000);
  }

  leave() {
    if (!churning) return;
    this.socket.removeAllListeners();
    this.socket.disconnect();
    this.open();
  }

  number(value) {
    total.received += 1;
    const expected = this.last === undefined ? value : this.last + 1;
    if (value > expected) total.missing += value - expected;
    if (value === this.last) total.doubled += 1;
    if (value < this.last) total.reordered += 1;
    if (value !== expected && total.wrong.length < 20) {
      total.wrong.push(`${kinds[this.kind]}: ${value} behind ${this.last}`);
    }
    this.last = value;
  }
}

const clients = [];
for (let n = 0; n < Number(number); n += 1) {
  const client = new Client(n % kinds.length);
  clients.push(client);
  // Not all at once.
  if (n % 20 === 19) await next(client.socket, "connect");
}
while (!clients.every((client) => client.joined)) await new Promise((resolve) => setTimeout(resolve, 20));
await ask(clients[0].socket, "echo", 1);
console.log("ready");

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    churning = false;
    for (const client of clients) clearTimeout(client.timer);
    if (line === "stop") {
      while (!clients.every((client) => client.joined && client.socket.connected)) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      console.log("stopped");
      return;
    }
    const last = Number(line.split(" ")[1]);
    while (clients.some((client) => client.last !== last)) await new Promise((resolve) => setTimeout(resolve, 20));
    console.log(JSON.stringify(total));
  })
  .on("close", () => process.exit());
