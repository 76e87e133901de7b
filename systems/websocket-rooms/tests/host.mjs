// Two servers of ws from npm; the clients of the program reconnect to the server that restarts.
//
//   node host.mjs PROGRAM
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { WebSocketServer } from "ws";
import { next, soon } from "../../../tests/interop/waiting.mjs";

const [program] = process.argv.slice(2);

async function host(port = 0) {
  const server = new WebSocketServer({ host: "127.0.0.1", port });
  await next(server, "listening");
  return server;
}

let one = await host();
const two = await host();
const port = one.address().port;
const visits = [one, two].map((server) => next(server, "connection"));
const child = spawn(
  program,
  ["connect", `one=ws://127.0.0.1:${port}`, `two=ws://127.0.0.1:${two.address().port}`],
  { env: { ...process.env, RECONNECT_INTERVAL: "20", RUST_LOG: "off" }, stdio: ["pipe", "pipe", "inherit"] },
);
const lines = [];
const waiting = [];
createInterface({ input: child.stdout }).on("line", (line) => {
  lines.push(line);
  waiting.splice(0).forEach((look) => look());
});
/** The next line that is this one, whatever comes before it. */
function line(expected) {
  return soon(`"${expected}" (there was ${JSON.stringify(lines)})`, (came) => {
    const look = () => {
      const at = lines.indexOf(expected);
      at < 0 ? waiting.push(look) : came(lines.splice(at, 1));
    };
    look();
  });
}

let [[first], [second]] = await Promise.all(visits);
await line("one: open");
await line("two: open");
let heard = [first, second].map((ws) => next(ws, "message"));
child.stdin.write("hello\n");
for (const [data, binary] of await Promise.all(heard)) {
  assert.deepEqual([data.toString(), binary], ["hello", false]);
}
await line("sent to 2");
first.send("welcome");
await line("one: welcome");
second.send(Buffer.from([1]));
await line("two: (binary)");
child.stdin.write("/stats\n");
await line('{"server":{"connections":0,"rooms":0,"users":0},"clients":2,"clients_open":2}');

// One server stops: with a close frame, then without one. Its client reconnects each time, the other stays connected.
first.close(4000, "later");
await line("one: closed by the other side (4000 later)");
[first] = await next(one, "connection");
await line("one: open");
first.terminate();
await line("one: connection lost");
[first] = await next(one, "connection");
await line("one: open");
one.close();
first.terminate();
await line("one: connection lost");
child.stdin.write("hello?\n");
await line("sent to 1");
one = await host(port);
[first] = await next(one, "connection");
await line("one: open");
heard = next(first, "message");
child.stdin.write("back\n");
assert.equal((await heard)[0].toString(), "back");
await line("sent to 2");

// The program ends at the end of its input, and sends close frames.
const ends = [first, second].map((ws) => next(ws, "close"));
const exit = next(child, "exit");
child.stdin.end();
for (const [code] of await Promise.all(ends)) {
  assert.equal(code, 1000);
}
assert.equal((await exit)[0], 0);
console.log("ok");
process.exit(0);
