// npm's ws over TLS: it trusts the given authority, and no server without it.
//
//   node secure.mjs URL CA_FILE
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import WebSocket from "ws";
import { next } from "../../../tests/interop/waiting.mjs";

const [url, file] = process.argv.slice(2);
const ws = new WebSocket(url, { ca: readFileSync(file) });
await next(ws, "open");
ws.send("hello");
let text = "";
while (text !== "Echo: hello") {
  text = (await next(ws, "message"))[0].toString();
}
const [error] = await next(new WebSocket(url), "error");
assert.match(error.code, /CERT|SIGNATURE|ISSUER/);
console.log("ok");
process.exit(0);
