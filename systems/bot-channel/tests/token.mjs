// npm's socket.io-client shows tokens to a channel that has other names for everything, and no sessions that persist.
//
//   node token.mjs URL KEY
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { io } from "socket.io-client";
import { next } from "../../../tests/interop/waiting.mjs";

const [url, key] = process.argv.slice(2);
const options = { path: "/live", transports: ["websocket"], reconnection: false, forceNew: true };
const now = Math.floor(Date.now() / 1000);

function sign(claims, secret = key, alg = "HS256") {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${alg === "none" ? "" : createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

const good = sign({ sub: "ada", exp: now + 3600 });
for (const more of [
  {},
  { auth: {} },
  { auth: { token: 7 } },
  { auth: { token: "nonsense" } },
  { auth: { token: sign({ sub: "ada" }, "guess") } },
  { auth: { token: sign({ sub: "ada" }, key, "none") } },
  { auth: { token: sign({ sub: "ada", exp: now - 3600 }) } },
  { extraHeaders: { authorization: "Bearer nonsense" } },
]) {
  const refused = io(`${url}/chat`, { ...options, ...more });
  const [why] = await next(refused, "connect_error");
  assert.equal(why.message, "not authenticated");
  refused.close();
}

for (const more of [
  { auth: { token: good } },
  { auth: { token: `Bearer ${good}` } },
  { extraHeaders: { authorization: `Bearer ${good}` } },
]) {
  const socket = io(`${url}/chat`, { ...options, ...more });
  await next(socket, "connect");
  // A session is confirmed, but not needed: the conversation is the connection.
  const confirmed = next(socket, "session_confirm");
  socket.emit("session_request", { session_id: "x" });
  assert.deepEqual(await confirmed, ["x"]);
  const answer = next(socket, "answered");
  socket.emit("user_uttered", { message: "not by this name" });
  socket.emit("said", { message: "hello", about: { name: "Ada" } });
  assert.deepEqual(await answer, [{ text: "hello, Ada" }]);
  socket.close();
}

// The namespace of the channel is the only one: `/` refuses all clients, with or without a token.
for (const auth of [{}, { token: good }]) {
  const refused = io(url, { ...options, auth });
  const [why] = await next(refused, "connect_error");
  assert.equal(why.message, "Invalid namespace");
  refused.close();
}

// A token that expires during the connection ends it, whether the client speaks or only listens.
const exp = Math.floor(Date.now() / 1000) + 5;
const [silent, talking] = ["silent", "talking"].map((sub) =>
  io(`${url}/chat`, { ...options, auth: { token: sign({ sub, exp }) } }),
);
await Promise.all([next(silent, "connect"), next(talking, "connect")]);
const ends = [silent, talking].map((socket) => next(socket, "disconnect"));
const talk = setInterval(() => talking.emit("said", { message: "still there" }), 100);
for (const [reason] of await Promise.all(ends)) {
  assert.equal(reason, "io server disconnect");
}
clearInterval(talk);
console.log("ok");
process.exit(0);
