// npm's socket.io-client talks with the sample bot, whose sessions persist.
//
//   node converse.mjs URL TRANSPORTS
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { next, soon } from "../../../tests/interop/waiting.mjs";

const [url, transports] = process.argv.slice(2);

for (const path of ["/", "/health"]) {
  assert.deepEqual(await (await fetch(url + path)).json(), { status: "ok" });
}

/** A client with a session: the one it names, or a new one. */
async function join(session) {
  const socket = io(url, { transports: transports.split(","), reconnection: false, forceNew: true });
  await next(socket, "connect");
  const confirmed = next(socket, "session_confirm");
  socket.emit("session_request", session === undefined ? undefined : { session_id: session });
  const [id] = await confirmed;
  return [socket, id];
}

/** Says something, and returns as many answers as are expected. */
function say(socket, session_id, message, count = 1, metadata = undefined) {
  return soon(`an answer to "${message}"`, (came) => {
    const answers = [];
    socket.on("bot_uttered", function hear(answer) {
      if (answers.push(answer) === count) {
        socket.off("bot_uttered", hear);
        came(answers);
      }
    });
    socket.emit("user_uttered", { message, session_id, metadata });
  });
}

const [ada, session] = await join(null);
assert.match(session, /^[0-9a-f]{32}$/);
const hello = { text: "Hello! What can I do for you?" };
assert.deepEqual(await say(ada, session, "Well, hello there"), [hello]);
assert.deepEqual(await say(ada, session, "abracadabra", 2), [
  { text: 'I did not understand "abracadabra".' },
  { text: 'Say "help" to see what I can do.' },
]);
const [help] = await say(ada, session, "help");
assert.equal(help.text, "This is what I can do.");
assert.equal(help.quick_replies.length, 5);
assert.deepEqual(help.quick_replies[0], { content_type: "text", title: "A picture", payload: "/picture" });
assert.deepEqual(await say(ada, session, help.quick_replies[0].payload), [
  { attachment: { type: "image", payload: { src: "https://example.com/picture.png" } } },
]);
assert.deepEqual(await say(ada, session, "/file"), [
  { attachment: { type: "file", payload: { src: "https://example.com/file.pdf", title: "A file" } } },
]);
const [choices] = await say(ada, session, "/choices");
assert.deepEqual(choices.quick_replies.map(({ title }) => title), ["Tea", "Coffee"]);
assert.deepEqual(await say(ada, session, choices.quick_replies[0].payload), [{ text: "One /tea, coming up." }]);
assert.deepEqual(await say(ada, session, "milk"), [{ text: "With milk: your /tea is almost there." }]);
assert.deepEqual(await say(ada, session, "milk", 2), [
  { text: 'I did not understand "milk".' },
  { text: 'Say "help" to see what I can do.' },
]);
assert.deepEqual(
  await say(ada, session, "/cards", 2),
  ["One", "Two"].map((title) => ({
    attachment: { type: "template", payload: { template_type: "generic", elements: { title } } },
  })),
);
assert.deepEqual(await say(ada, session, "/json"), [{ anything: ["goes", 1] }]);
const who = { user_type: "premium", timezone: "UTC" };
for (const metadata of [who, JSON.stringify(who)]) {
  assert.deepEqual(await say(ada, session, "Who am I?", 1, metadata), [{ text: "You are premium, in UTC." }]);
}

// What means nothing is ignored: the first answer is to the message that follows.
for (const nonsense of [
  [],
  ["hello"],
  [7],
  [null],
  [[{ message: "hello", session_id: session }]],
  [{ message: 7, session_id: session }],
  [{ session_id: session }],
  [{ message: "hello" }],
  [{ message: "hello", session_id: "another" }],
  [{ message: "hello", session_id: { a: 1 } }],
  [{ message: Buffer.from([1]), session_id: session }],
]) {
  ada.emit("user_uttered", ...nonsense);
}
ada.emit("session_requested", 1);
assert.deepEqual(await say(ada, session, "/tea"), [{ text: "One /tea, coming up." }]);

// Clients without a session are ignored, and sessions do not receive each other's replies.
const stranger = io(url, { transports: transports.split(","), reconnection: false, forceNew: true });
await next(stranger, "connect");
stranger.emit("user_uttered", { message: "hello", session_id: session });
stranger.on("bot_uttered", () => assert.fail("a client without a token receives a reply"));
const [bob, other] = await join();
assert.notEqual(other, session);
// The id of a connection gives no access to its conversation.
const [spy] = await join(ada.id);
const [spy2] = await join("x".repeat(129));
for (const deaf of [bob, spy, spy2]) {
  deaf.on("bot_uttered", () => assert.fail("another session receives the reply"));
}
// The same session on two devices.
const [desk, same] = await join(session);
assert.equal(same, session);
let heard = next(desk, "bot_uttered");
assert.deepEqual(await say(ada, session, "hi"), [hello]);
assert.deepEqual(await heard, [hello]);

// A conversation continues after a reconnect.
ada.close();
desk.close();
const [again, still] = await join(session);
assert.equal(still, session);
assert.deepEqual(await say(again, session, "hi"), [hello]);
// Another session is another conversation; the one before is over for this client.
const changed = next(again, "session_confirm");
again.emit("session_request", { session_id: "mine" });
assert.deepEqual(await changed, ["mine"]);
again.emit("user_uttered", { message: "help", session_id: session });
assert.deepEqual(await say(again, "mine", "hi"), [hello]);
console.log("ok");
process.exit(0);
