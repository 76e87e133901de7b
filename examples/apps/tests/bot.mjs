// The bot in a chat of the official server, which it leaves in good order.
//
//   node bot.mjs PROGRAM
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { once } from "node:events";
import { done, next, require } from "../../tests/client.mjs";

const { Server } = require("socket.io");
const http = createServer();
const io = new Server(http);
http.listen(0, "127.0.0.1");
await once(http, "listening");

const connected = next(io, "connection");
const bot = spawn(process.argv[2], [`http://127.0.0.1:${http.address().port}`], { stdio: "ignore" });
const [socket] = await connected;
assert.deepEqual(await next(socket, "add user"), ["bot"]);
const greeting = next(socket, "new message");
socket.emit("user joined", { username: "ada", numUsers: 2 });
assert.deepEqual(await greeting, ["hello, ada"]);
const sum = next(socket, "new message");
socket.emit("new message", { username: "ada", message: "!sum 1 2" });
assert.deepEqual(await sum, ["the sum is 3"]);

const gone = next(socket, "disconnect");
const ended = next(bot, "exit");
bot.kill("SIGINT");
await gone;
assert.deepEqual(await ended, [0, null]);
done();
