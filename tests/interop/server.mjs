// The official Socket.IO server, for clients that are not.
//
//   node server.mjs PORT [msgpack]
//
// It prints the port that it listens on, any free one for 0, and lives until it is ended.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { Server } from "socket.io";

const require = createRequire(import.meta.url);
const http = createServer();
const io = new Server(http, {
  connectionStateRecovery: {},
  pingInterval: 1000,
  ...(process.argv[3] === "msgpack" ? { parser: require("socket.io-msgpack-parser") } : {}),
});

for (const name of ["/", "/foo"]) {
  io.of(name).on("connection", (socket) => {
    socket.join("room");
    socket.on("echo", (...args) => args.pop()(...args));
    socket.on("who", (ack) => ack({ id: socket.id, auth: socket.handshake.auth, query: socket.handshake.query }));
    socket.on("send back", (...args) => socket.emit("sent back", ...args));
    socket.on("ask me", async (ack) => ack(await socket.timeout(5000).emitWithAck("question", 1, Buffer.from([2]))));
    socket.on("kick", () => socket.disconnect());
    socket.on("close", () => socket.conn.close());
    socket.on("close and tell", (number) => {
      // By then the client is away.
      socket.conn.on("close", () => setImmediate(() => io.of(name).to("room").emit("news", number)));
      socket.conn.close();
    });
    socket.on("tell", (number) => io.of(name).to("room").emit("news", number));
  });
}
io.of("/no").use((socket, next) => next(Object.assign(new Error("not today"), { data: { a: "b" } })));

http.listen(Number(process.argv[2]), "127.0.0.1", () => console.log(http.address().port));
