// The official client on Node.js, for the comparison of clients: see the contract in benches/whole/README.md.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const TEXT = "x".repeat(32);
const TALKERS = 20;
const AT_ONCE = 50;

const sockets = [];
let left = 0;
let done = () => {};

function open() {
  return new Promise((resolve, reject) => {
    const socket = io(`http://127.0.0.1:${process.argv[2]}`, { transports: ["websocket"], forceNew: true });
    socket.on("echo", (text) => {
      if (text !== TEXT) throw new Error(`not what was sent: ${text}`);
      left -= 1;
      if (left >= TALKERS) socket.emit("echo", text);
      if (left === 0) done();
    });
    socket.on("connect", () => resolve(socket));
    socket.on("connect_error", reject);
  });
}

async function connect(count) {
  for (let opened = 0; opened < count; opened += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - opened) }, open);
    sockets.push(...(await Promise.all(some)));
  }
}

async function echo(count) {
  left = count;
  const finished = new Promise((resolve) => (done = resolve));
  for (const socket of sockets.slice(0, TALKERS)) socket.emit("echo", TEXT);
  await finished;
}

const commands = { connect, echo };
for await (const line of createInterface({ input: process.stdin })) {
  const [command, count] = line.split(" ");
  await commands[command](Number(count));
  console.log("ok");
}
process.exit(0);
