// Sessions that are over soon: their clients are put out, those that only listen too.
//
//   node over.mjs MAIN WEBSOCKET
import assert from "node:assert/strict";
import { Native, SocketIo } from "./clients.mjs";
import { soon } from "../../../tests/interop/waiting.mjs";

const [main, websocket] = process.argv.slice(2);
const acquired = await (await fetch(`${main}/api/auth/acquire-session`, { method: "POST" })).json();
const { token } = acquired.data;
const clients = [
  new SocketIo(main, { auth: { token } }),
  new SocketIo(websocket, { auth: { token }, transports: ["polling"] }),
  new Native(`${websocket}/?token=${token}`),
];
for (const client of clients) {
  await client.take("connected");
  await soon("its end", (came) => client.ended.then(came));
}
assert.equal(await new SocketIo(main, { auth: { token } }).refused(), "unauthorized");
assert.equal(await new Native(`${websocket}/?token=${token}`).refused(), 401);
console.log("ok");
process.exit(0);
