// A client of Socket.IO and one of plain WebSocket, talking to each other through the gateway.
//
//   node gateway.mjs URL TRANSPORTS
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { ask, next, soon } from "./waiting.mjs";

const [url, transports] = process.argv.slice(2);
const room = `room-${transports}`;

/** A native client: a queue of what came, and a way to ask. */
class Native {
  constructor(target) {
    this.socket = new WebSocket(url.replace("http", "ws") + target);
    this.came = [];
    this.waiting = [];
    this.socket.on("message", (data, binary) => {
      const message = binary ? data : JSON.parse(data.toString());
      const waiting = this.waiting.shift();
      waiting ? waiting(message) : this.came.push(message);
    });
  }

  next() {
    return soon("a native message", (came) => {
      this.came.length > 0 ? came(this.came.shift()) : this.waiting.push(came);
    });
  }

  send(message) {
    this.socket.send(JSON.stringify(message));
  }

  async ask(event, data) {
    this.send({ event, data, id: 5 });
    for (;;) {
      const message = await this.next();
      if (message.id === 5) return message.data;
    }
  }
}

const browser = io(url + "/chat", { transports: transports.split(","), forceNew: true, reconnection: false });
const welcome = next(browser, "connected");
await next(browser, "connect");
assert.equal((await welcome)[0].socketId, browser.id);
if (transports === "polling,websocket" && browser.io.engine.transport.name !== "websocket") {
  await next(browser.io.engine, "upgrade");
}

const native = new Native("/any/path?namespace=/chat");
const { event, data } = await native.next();
assert.equal(event, "connect");
assert.equal(data.namespace, "/chat");
assert.equal((await native.next()).event, "connected");

assert.deepEqual(await ask(browser, "join", room), [{ room }]);
assert.deepEqual(await native.ask("join", { room }), { room });

// Text both ways.
const heard = next(browser, "message");
native.send({ event: "message", data: { room, content: "from native" } });
const [message] = await heard;
assert.equal(message.content, "from native");
assert.equal(message.from, data.id);
assert.equal((await native.next()).event, "message_received");
browser.emit("message", { room, content: ["from Socket.IO", 1.5] });
assert.deepEqual((await native.next()).data.content, ["from Socket.IO", 1.5]);

// Binary both ways, alone and inside.
const bytes = next(browser, "message");
native.socket.send(Buffer.from([1, 2, 255]));
assert.deepEqual([...(await bytes)[0]], [1, 2, 255]);
assert.equal((await native.next()).event, "message_received");
assert.deepEqual([...(await native.next())], [1, 2, 255]);
browser.emit("message", Buffer.from([9, 8]));
const placeholder = { _placeholder: true, num: 0 };
const from = browser.id;
assert.deepEqual(await native.next(), { event: "message", data: placeholder, attachments: 1, from });
assert.deepEqual([...(await native.next())], [9, 8]);
browser.emit("file", { room, content: Buffer.from("abc") });
assert.deepEqual(await native.next(), {
  event: "file",
  data: { room, content: placeholder },
  attachments: 1,
  from,
});
assert.equal((await native.next()).toString(), "abc");

browser.disconnect();
native.socket.close();
console.log("ok");
