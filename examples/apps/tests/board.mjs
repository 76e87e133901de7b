// The whiteboard: tokens, tenants, strokes, history, notices, and the end of the server.
//
//   node board.mjs URL TRANSPORTS PID
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { Client, done, next } from "../../tests/client.mjs";
import { Page } from "../../tests/page.mjs";

const [url, transports, pid] = process.argv.slice(2);
const options = (token, more = {}) => ({ transports: transports.split(","), auth: { token }, ...more });
const points = (...numbers) => Buffer.from(Uint16Array.from(numbers).buffer);

function post(path, body, headers = {}) {
  return fetch(url + path, { method: "POST", body, headers });
}

async function login(username, password = "changeit") {
  const headers = { "content-type": "application/json" };
  const response = await post("/login", JSON.stringify({ username, password }), headers);
  return response.ok ? (await response.json()).token : response.status;
}

function forge(claims, alg) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg, typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${alg === "none" ? "" : createHmac("sha256", "guess").update(signed).digest("base64url")}`;
}

async function open(token, tenant) {
  return Client.connect(`${url}/tenant/${tenant}`, options(token));
}

/** The stroke that arrives next; `confirm` says whether the client confirms strokes. */
async function stroke(client, confirmed) {
  const [event, { points, ...about }, ...ack] = await client.event();
  assert.deepEqual([event, ack], ["stroke", confirmed ? ["ack"] : []]);
  return { ...about, points: Buffer.from(points) };
}

assert.equal(await login("ada", "guess"), 401);
assert.equal(await login("mallory"), 401);
const [ada, bob, eve] = [await login("ada"), await login("bob"), await login("eve")];

// Refused: no token, forged tokens, and tokens of another tenant.
const claims = { sub: "ada", tenant: "acme", exp: Math.floor(Date.now() / 1000) + 3600 };
assert.match(await Client.refused(`${url}/tenant/acme`, options(undefined)), /^auth: /);
for (const [token, tenant, why] of [
  ["nonsense", "acme", "invalid token"],
  [forge(claims, "HS256"), "acme", "invalid token"],
  [forge(claims, "none"), "acme", "invalid token"],
  [eve, "acme", "not your tenant"],
  [ada, "globex", "not your tenant"],
]) {
  assert.equal(await Client.refused(`${url}/tenant/${tenant}`, options(token)), why);
}
assert.equal(await Client.refused(url + "/elsewhere", options(ada)), "Invalid namespace");

const one = await open(ada, "acme");
const two = await open(bob, "acme");
const stranger = await open(eve, "globex");
assert.deepEqual(await one.ask("draw", "plan", points(1, 2)), { error: "you are not on this board" });
for (const client of [one, two, stranger]) assert.equal(await client.ask("join", "plan"), 0);

// A stroke is confirmed by the others: by bob, who answers, and not by a silent client of ada.
two.socket.on("stroke", (_, confirm) => confirm?.(true));
assert.deepEqual(await one.ask("draw", "plan", points(1, 2, 3, 4)), { number: 1, seen: 1, missing: 0 });
assert.deepEqual(await stroke(two, true), { number: 1, by: "ada", points: points(1, 2, 3, 4) });
const silent = await open(ada, "acme");
assert.equal(await silent.ask("join", "plan"), 1);
assert.deepEqual(await stroke(silent, false), { number: 1, by: "ada", points: points(1, 2, 3, 4) });
assert.deepEqual(await one.ask("draw", "plan", points(5, 6)), { number: 2, seen: 1, missing: 1 });
for (const client of [two, silent]) assert.equal((await stroke(client, true)).number, 2);
silent.close();

// History: more strokes than an event may have attachments, for whoever comes later.
for (let number = 3; number <= 15; number++) {
  assert.equal((await one.ask("draw", "plan", points(number, number))).number, number);
  assert.equal((await stroke(two, true)).number, number);
}
const later = await open(bob, "acme");
assert.equal(await later.ask("join", "plan"), 15);
for (let number = 1; number <= 15; number++) {
  const drawn = await stroke(later, false);
  assert.deepEqual([drawn.number, drawn.by], [number, "ada"]);
}
assert.equal(await later.ask("join", "another board"), 0);

// A notice of an HTTP request reaches one board of one tenant.
const notice = (token, board) => post(`/boards/${board}/notice`, "lunch", { authorization: `Bearer ${token}` });
assert.equal((await notice("nonsense", "plan")).status, 401);
assert.equal((await notice(ada, "another%20board")).status, 204);
await later.expect("notice", "lunch");
assert.equal((await notice(ada, "plan")).status, 204);
for (const client of [one, two, later]) await client.expect("notice", "lunch");
// The tenant globex has heard none of it: its next event is its own.
assert.equal((await notice(eve, "plan")).status, 204);
await stranger.expect("notice", "lunch");

// Two pages.
const html = await (await fetch(url)).text();
const pages = [new Page(html, url), new Page(html, url)];
await pages[0].submit("login", { username: "ada", password: "guess", board: "pages" });
await pages[0].shows("wrong name or password");
for (const [page, username] of [[pages[0], "ada"], [pages[1], "bob"]]) {
  await page.submit("login", { username, password: "changeit", board: "pages" });
  await page.shows("0 earlier strokes");
}
const canvas = pages[0].element("canvas");
canvas.onpointerdown();
for (const offsetX of [1, 2, 3]) canvas.onpointermove({ offsetX, offsetY: 7 });
canvas.onpointerup();
await pages[1].shows("ada has drawn stroke 1");
await pages[0].shows("stroke 1: seen by 1, not confirmed by 0");

// The limits: strokes of a board, of which the oldest are dropped, boards, and bytes of a stroke.
assert.equal(await one.ask("join", "full"), 0);
// Not all at once: npm's client counts small attachments as less than they are, and would send too large a payload.
for (let drawn = 0; drawn < 1001; drawn += 77) {
  await Promise.all([...Array(77).keys()].map((number) => one.ask("draw", "full", points(number, number))));
}
assert.equal(await later.ask("join", "full"), 1000);
for (let number = 2; number <= 1001; number++) assert.equal((await stroke(later, false)).number, number);
// Five boards exist: four of acme, and one of globex.
for (let number = 0; number < 95; number++) assert.equal(await one.ask("join", `board ${number}`), 0);
assert.deepEqual(await one.ask("join", "too many"), { error: "too many boards" });
assert.equal(await one.ask("join", "board 7"), 0);
const large = await open(ada, "acme");
await large.ask("join", "plan").then((strokes) => assert.equal(strokes, 15));
for (let number = 1; number <= 15; number++) await stroke(large, false);
const closed = next(large.socket, "disconnect");
large.emit("draw", "plan", Buffer.alloc(10_001));
await closed;
large.close();

// The end: all clients are disconnected, and the program ends.
const clients = [one, two, later, stranger];
const gone = clients.map(({ socket }) => next(socket, "disconnect"));
process.kill(Number(pid), "SIGINT");
await Promise.all(gone);
for (const client of clients) client.close();
done();
