// permessage-deflate of npm `ws` against ours, with and without each parameter.
//
//   node deflate.mjs client URL     opens WebSocket sessions at our Engine.IO server, which echoes
//   node deflate.mjs server OPTIONS is an official Engine.IO server with these options, as JSON. It echoes every message,
//                                   and prints its port
//
// The messages of a client have many sizes; every echo must be equal and the extension agreed.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const WebSocket = require("ws");

const sizes = [0, 1, 100, 1023, 1024, 16_384, 65_535, 65_536, 500_000];
const json = (size) => JSON.stringify(Array.from({ length: size / 20 + 1 }, (_, id) => ({ id, name: "value" }))).slice(0, size);
const noise = (size) => Buffer.from(Array.from({ length: size }, (_, n) => Math.imul(n, 2_654_435_761) >>> 24));
const messages = sizes.flatMap((size) => [json(size), noise(size)]);

async function exchange(url, perMessageDeflate) {
  const shown = JSON.stringify(perMessageDeflate);
  const socket = new WebSocket(`${url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket`, { perMessageDeflate });
  await new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${why} with ${shown}`));
    const timer = setTimeout(() => fail("timed out"), 20_000);
    let next = -1;
    const send = () => {
      next += 1;
      if (next === messages.length) {
        clearTimeout(timer);
        socket.removeAllListeners("close");
        socket.close();
        return resolve();
      }
      const message = messages[next];
      socket.send(typeof message === "string" ? `4${message}` : message);
    };
    socket.on("error", (error) => fail(error.message));
    socket.on("close", (code) => fail(`closed with ${code}`));
    socket.on("message", (data, isBinary) => {
      if (!isBinary && data[0] === 0x30) {
        const agreed = socket.extensions;
        if (agreed !== (perMessageDeflate === false ? "" : "permessage-deflate")) return fail(`agreed on "${agreed}"`);
        return send();
      }
      if (!isBinary && data[0] === 0x32) return socket.send("3");
      const sent = messages[next];
      const equal = isBinary ? data.equals(sent) : data.toString() === `4${sent}`;
      if (!equal) return fail(`message ${next} is not the one that was sent`);
      send();
    });
  });
}

async function client(url) {
  for (const options of [
    false,
    true,
    { threshold: 0 },
    { clientNoContextTakeover: true },
    { serverNoContextTakeover: true },
    { clientNoContextTakeover: true, serverNoContextTakeover: true, threshold: 0 },
    { serverMaxWindowBits: 8 },
    { serverMaxWindowBits: 9 },
    { serverMaxWindowBits: 15 },
    { clientMaxWindowBits: 8 },
    { clientMaxWindowBits: 9 },
    { clientMaxWindowBits: 15 },
    { zlibDeflateOptions: { level: 9, memLevel: 1 } },
  ]) {
    await exchange(url, options);
  }
}

function server() {
  const { Server } = require("engine.io");
  const http = require("node:http").createServer();
  const options = JSON.parse(process.argv[3]);
  const engine = new Server({ perMessageDeflate: options });
  engine.attach(http, { path: "/engine.io" });
  engine.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  http.listen(0, "127.0.0.1", () => console.log(http.address().port));
}

if (process.argv[2] === "server") {
  server();
} else {
  await client(process.argv[3]);
  console.log("ok");
}
