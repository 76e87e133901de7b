// npm's socket.io-client talks with a Rasa server through the channel.
//
//   node rasa.mjs URL
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { next, soon } from "../../../tests/interop/waiting.mjs";

const [url] = process.argv.slice(2);
const socket = io(url, { transports: ["websocket"], reconnection: false });
await next(socket, "connect");
const confirmed = next(socket, "session_confirm");
socket.emit("session_request", { session_id: null });
const [session_id] = await confirmed;

function say(message, count, metadata) {
  return soon(`${count} answers to ${message}`, (came) => {
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

const choice = { content_type: "text", title: "Yes", payload: "/affirm" };
assert.deepEqual(await say("/greet", 2), [{ text: "Hey!" }, { text: "How are you?", quick_replies: [choice] }]);
assert.deepEqual(await say("/picture", 1), [
  { attachment: { type: "image", payload: { src: "https://example.com/i.jpg" } } },
]);
assert.deepEqual(await say("/file", 1), [{ attachment: { type: "file", payload: { src: "https://example.com/f" } } }]);
assert.deepEqual(await say("/custom", 1), [{ rating: 5 }]);
assert.deepEqual(await say("/metadata", 1, { user: "Ada" }), [{ text: "Ada at socketio" }]);
// Each failure of the backend is told, and the conversation goes on.
for (const failure of ["/error", "/malformed", "/slow"]) {
  assert.deepEqual(await say(failure, 1), [{ text: "Sorry, something went wrong. Please try again." }]);
}
socket.emit("user_uttered", { message: "/silence", session_id });
assert.deepEqual(await say("hello", 1), [{ text: "You said hello" }]);
console.log("ok");
process.exit(0);
