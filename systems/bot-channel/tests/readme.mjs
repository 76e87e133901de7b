// The client of the README, as it is: at its first visit, and with the session that it has stored.
//
//   node readme.mjs URL README
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { io } from "socket.io-client";
import { next } from "../../../tests/interop/waiting.mjs";

const [url, readme] = process.argv.slice(2);
const [, block] = readFileSync(readme, "utf8").match(/```js\n(.*?)```/s);
const code = block.replace(/^import .*$/m, "").replace("http://localhost:5005", url);
const stored = new Map();
const localStorage = {
  getItem: (key) => stored.get(key) ?? null,
  setItem: (key, value) => stored.set(key, value),
};

async function visit() {
  const socket = new Function("io", "localStorage", "console", `${code}\nreturn socket;`)(io, localStorage, { log() {} });
  const [answer] = await next(socket, "bot_uttered");
  socket.close();
  return answer;
}

assert.deepEqual(await visit(), { text: "Hello! What can I do for you?" });
const session = stored.get("session");
assert.match(session, /^[0-9a-f]{32}$/);
assert.deepEqual(await visit(), { text: "Hello! What can I do for you?" });
assert.equal(stored.get("session"), session);
console.log("ok");
process.exit(0);
