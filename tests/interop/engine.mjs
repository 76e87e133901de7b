// An official Engine.IO client that exchanges numbered messages with our server and checks every one.
//
//   node engine.mjs URL PROTOCOL MODE COUNT REPETITIONS
//
// PROTOCOL is 3 or 4, MODE is polling, websocket or upgrade. The server sends COUNT messages by itself and echoes
// COUNT of ours; every other message is binary. Nothing may be lost, doubled, changed or out of order.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [url, protocol, mode, count, repetitions] = process.argv.slice(2);
const { Socket } = require(protocol === "3" ? "engine.io-client-v3" : "engine.io-client");
const total = Number(count);

const transports = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] }[mode];

/** The number of a message, and its original sender. */
function read(data) {
  const text = typeof data === "string" ? data : Buffer.from(data).toString("latin1");
  const binary = typeof data !== "string";
  const number = Number(text.slice(1));
  if (binary !== (number % 2 === 1)) throw new Error(`message ${text} is of the wrong kind`);
  return [text[0], number];
}

function write(number) {
  const text = `c${number}`;
  return number % 2 === 1 ? Buffer.from(text, "latin1") : text;
}

function once() {
  return new Promise((resolve, reject) => {
    const socket = new Socket(url, { transports, path: "/engine.io/" });
    const next = { s: 0, c: 0 };
    let upgraded = mode !== "upgrade";
    const fail = (why) => reject(new Error(`${why} (server's ${next.s}, echoes ${next.c}, upgraded ${upgraded})`));
    const timer = setTimeout(() => fail("timed out"), 30_000);
    const check = () => {
      if (next.s === total && next.c === total && upgraded) {
        clearTimeout(timer);
        socket.removeAllListeners?.("close");
        socket.off?.("close");
        socket.close();
        resolve();
      }
    };
    socket.on("upgrade", () => {
      upgraded = true;
      check();
    });
    socket.on("upgradeError", (error) => fail(`upgrade failed: ${error.message}`));
    socket.on("error", (error) => fail(`error: ${error.message}`));
    socket.on("close", (reason) => fail(`closed: ${reason}`));
    socket.on("message", (data) => {
      try {
        const [from, number] = read(data);
        if (number !== next[from]) return fail(`expected ${from}${next[from]}, got ${from}${number}`);
        next[from] += 1;
        check();
      } catch (error) {
        fail(error.message);
      }
    });
    socket.on("open", () => {
      let number = 0;
      const send = () => {
        for (let batch = 0; batch < 7 && number < total; batch++) socket.send(write(number++));
        if (number < total) setImmediate(send);
      };
      send();
    });
  });
}

try {
  for (let repetition = 0; repetition < Number(repetitions); repetition++) await once();
  console.log("ok");
  process.exit(0);
} catch (error) {
  console.log(error.message);
  process.exit(1);
}
