// Private messages, with the events of the official example.
//
//   node private_messaging.mjs URL TRANSPORTS
import assert from "node:assert/strict";
import { Client, done } from "./client.mjs";

const [url, transports] = process.argv.slice(2);
const options = (auth) => ({ transports: transports.split(","), auth });

/** A client with its session, and the users that it was told. */
async function join(auth) {
  const client = await Client.connect(url, options(auth));
  const [event, session] = await client.event();
  assert.equal(event, "session");
  const [listed, users] = await client.event();
  assert.equal(listed, "users");
  return { client, session, users };
}

for (const auth of [{}, { username: "" }, { sessionID: "unknown" }]) {
  assert.equal(await Client.refused(url, options(auth)), "invalid username");
}

const ada = await join({ username: "ada" });
assert.match(ada.session.sessionID, /^[0-9a-f]{32}$/);
assert.notEqual(ada.session.sessionID, ada.session.userID);
const adaOnline = { userID: ada.session.userID, username: "ada", connected: true, messages: [] };
assert.deepEqual(ada.users, [adaOnline]);

const bob = await join({ username: "bob" });
const bobOnline = { userID: bob.session.userID, username: "bob", connected: true, messages: [] };
await ada.client.expect("user connected", bobOnline);
assert.deepEqual(
  bob.users.sort((one, other) => one.username.localeCompare(other.username)),
  [adaOnline, bobOnline],
);

// A second tab of bob, with the session of the first.
const tab = await join({ sessionID: bob.session.sessionID });
assert.deepEqual(tab.session, bob.session);
for (const { client } of [ada, bob]) await client.expect("user connected", bobOnline);

// A message reaches both tabs of bob; the answer from one tab reaches ada and the other tab.
const first = { content: "hello", from: ada.session.userID, to: bob.session.userID };
ada.client.emit("private message", { content: "hello", to: bob.session.userID });
for (const { client } of [bob, tab]) await client.expect("private message", first);
const second = { content: "hi", from: bob.session.userID, to: ada.session.userID };
tab.client.emit("private message", { content: "hi", to: ada.session.userID });
for (const { client } of [ada, bob]) await client.expect("private message", second);

// Others see neither message. Bob is away when both tabs are.
const eve = await join({ username: "eve" });
for (const { client } of [ada, bob, tab]) {
  assert.equal((await client.event())[1].username, "eve");
}
assert.deepEqual(eve.users.map(({ messages }) => messages), [[], [], []]);
tab.client.close();
eve.client.emit("private message", { content: "still there?", to: bob.session.userID });
await bob.client.expect("private message", {
  content: "still there?",
  from: eve.session.userID,
  to: bob.session.userID,
});
bob.client.close();
for (const { client } of [ada, eve]) await client.expect("user disconnected", bob.session.userID);

// Bob returns as the same user, and finds what was written.
const back = await join({ sessionID: bob.session.sessionID });
assert.deepEqual(back.session, bob.session);
const history = Object.fromEntries(back.users.map(({ username, messages }) => [username, messages]));
assert.deepEqual(history.ada, [first, second]);
assert.equal(history.eve.length, 1);
assert.deepEqual(history.bob, []);
for (const { client } of [ada, eve]) await client.expect("user connected", bobOnline);
for (const { client } of [ada, eve, back]) client.close();
done();
