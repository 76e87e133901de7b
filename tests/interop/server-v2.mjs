// The official Socket.IO server of version 2, for clients that are not.
//
//   node server-v2.mjs PORT
//
// It prints the port that it listens on, any free one for 0, and lives until it is ended.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const http = createServer();
const io = require("socket.io-v2")(http, { pingInterval: 1000, serveClient: false });

for (const name of ["/", "/foo"]) {
  io.of(name).on("connection", (socket) => {
    const { token } = socket.handshake.query;
    socket.join("room");
    socket.on("echo", (...args) => args.pop()(...args));
    socket.on("who", (ack) => ack({ id: socket.id, auth: { token } }));
    socket.on("send back", (...args) => socket.emit("sent back", ...args));
    socket.on("ask me", (ack) => socket.emit("question", 1, Buffer.from([2]), ack));
    socket.on("kick", () => socket.disconnect());
    socket.on("close", () => socket.conn.close());
    socket.on("tell", (number) => io.of(name).to("room").emit("news", number));
  });
}
io.of("/no").use((socket, next) => next(Object.assign(new Error("not today"), { data: { a: "b" } })));

http.listen(Number(process.argv[2]), "127.0.0.1", () => console.log(http.address().port));
