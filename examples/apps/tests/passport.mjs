// The login with a cookie: routes and events of the official example.
//
//   node passport.mjs URL TRANSPORTS
import assert from "node:assert/strict";
import { Client, done, next } from "../../tests/client.mjs";
import { Page } from "../../tests/page.mjs";

const [url, transports] = process.argv.slice(2);
const options = (cookie, more = {}) => ({
  transports: transports.split(","),
  extraHeaders: cookie === undefined ? {} : { cookie },
  ...more,
});

function request(path, { cookie, ...more } = {}) {
  const headers = { "content-type": "application/json", ...(cookie === undefined ? {} : { cookie }) };
  return fetch(url + path, { redirect: "manual", headers, ...more });
}

function post(path, cookie, body) {
  return request(path, { method: "POST", cookie, body: JSON.stringify(body) });
}

/** The cookie of a new session of john. */
async function login() {
  const response = await post("/login", undefined, { username: "john", password: "changeit" });
  assert.equal(response.status, 204);
  const cookie = response.headers.get("set-cookie");
  assert.match(cookie, /HttpOnly/);
  assert.match(cookie, /SameSite=Strict/);
  return cookie.split(";")[0];
}

// Without a session: the page leads to the login, and no socket connects.
assert.deepEqual(
  await request("/").then(({ status, headers }) => [status, headers.get("location")]),
  [303, "/login"],
);
const form = new Page(await (await request("/login")).text(), url);
await form.submit("login", { username: "john", password: "guess" });
await form.shows("wrong name or password");
await form.submit("login", { username: "john", password: "changeit" });
await form.shows("-> /");
for (const wrong of [{ username: "john", password: "x" }, { username: "jane", password: "changeit" }]) {
  const response = await post("/login", undefined, wrong);
  assert.deepEqual([response.status, response.headers.get("set-cookie")], [401, null]);
}
assert.equal(await Client.refused(url, options()), "log in first");
assert.equal(await Client.refused(url, options("id=unknown")), "log in first");

// Two tabs of one browser, and a session of another device.
const cookie = await login();
const elsewhere = await login();
assert.notEqual(cookie, elsewhere);
assert.equal((await request("/", { cookie })).status, 200);
const tabs = [await Client.connect(url, options(cookie)), await Client.connect(url, options(cookie))];
const device = await Client.connect(url, options(elsewhere));
for (const client of [...tabs, device]) assert.equal(await client.ask("whoami"), "john");

// A page of another origin gets no session, although the browser would send the cookie.
const foreign = { cookie, origin: "https://evil.test" };
const handshake = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { headers: foreign });
assert.equal(handshake.status, 403);

// A connection that has not joined yet is refused after the logout too.
const late = new Client(url, options(cookie));
const opened = next(late.socket.io, "open");
late.socket.io.open();
await opened;

// The logout disconnects both tabs and no other device.
const gone = tabs.map((tab) => next(tab.socket, "disconnect"));
assert.equal((await post("/logout", cookie)).status, 204);
for (const [reason] of await Promise.all(gone)) assert.match(reason, /^(io server disconnect|transport close)$/);
assert.equal(await device.ask("whoami"), "john");
const refused = next(late.socket, "connect_error");
late.socket.connect();
assert.equal((await refused)[0].message, "log in first");
assert.equal(await Client.refused(url, options(cookie)), "log in first");
assert.equal((await request("/", { cookie })).status, 303);

// The page of the other device.
const page = new Page(await (await request("/", { cookie: elsewhere })).text(), url, { cookie: elsewhere });
await page.shows("connected as john");
const left = next(device.socket, "disconnect");
await page.element("logout").onclick();
await left;
await page.shows("-> /login");
done();
