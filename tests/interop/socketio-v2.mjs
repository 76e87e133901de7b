// What only clients of Socket.IO v2 do: how they come in, and that they are kept out by default.
//
//   node socketio-v2.mjs URL TRANSPORTS WANTED
//
// WANTED is `ids`, `query` or `refusal`.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { ask, next } from "./waiting.mjs";

const require = createRequire(import.meta.url);
const [url, transports, wanted] = process.argv.slice(2);
const io = require("socket.io-client-v2");
// The client writes into its options.
const connect = (url) => io(url, { transports: transports.split(","), forceNew: true, reconnection: false });

const checks = {
  /** The client is in the namespace / without asking for it, and makes its ids up from that of the connection. */
  async ids() {
    const socket = connect(url);
    await next(socket, "connect");
    assert.equal(socket.id, socket.io.engine.id);
    assert.deepEqual(await ask(socket, "who am I"), [socket.id, socket.io.engine.id]);
    const news = socket.io.socket("/news");
    await next(news, "connect");
    assert.equal(news.id, `/news#${socket.io.engine.id}`);
    assert.deepEqual(await ask(news, "who am I"), [news.id, socket.io.engine.id]);
    news.close();
    socket.close();
  },

  /** The query of the namespace's URL takes the place of the payload that later versions send. */
  async query() {
    const socket = connect(`${url}/news?test=123&name=${encodeURIComponent("é &=?#,")}`);
    await next(socket, "connect");
    assert.deepEqual(await ask(socket, "credentials"), [{ test: "123", name: "é &=?#," }]);
    const bare = connect(`${url}/news`);
    await next(bare, "connect");
    assert.deepEqual(await ask(bare, "credentials"), [{}]);
    const root = connect(`${url}/?test=123`);
    await next(root, "connect");
    assert.deepEqual(await ask(root, "credentials"), [{}]);
    for (const each of [socket, bare, root]) each.close();
  },

  async refusal() {
    const socket = connect(url);
    const [error] = await next(socket, "connect_error");
    assert(error instanceof Error);
    assert(!socket.connected);
  },
};

await checks[wanted]();
console.log("ok");
process.exit(0);
