"use strict";
// The official server, as its documentation writes servers. With CLUSTER it is one of a cluster, with an official
// adapter.
const http = require("node:http");
const { Server } = require("socket.io");

async function adapter() {
  const kind = process.env.CLUSTER;
  if (!kind) return undefined;
  const { createClient } = require("redis");
  const { createAdapter, createShardedAdapter } = require("@socket.io/redis-adapter");
  const connect = () => {
    const client = createClient({ socket: { path: process.env.REDIS } });
    // Without a listener a lost connection ends the process.
    client.on("error", () => {});
    return client.connect();
  };
  if (kind === "streams") return require("@socket.io/redis-streams-adapter").createAdapter(await connect());
  return (kind === "sharded" ? createShardedAdapter : createAdapter)(await connect(), await connect());
}

async function main() {
  const server = http.createServer();
  const options = { pingInterval: 25000, pingTimeout: 20000, perMessageDeflate: false };
  const used = await adapter();
  const io = new Server(server, used ? { ...options, adapter: used } : options);
  io.on("connection", (socket) => {
    socket.on("echo", (data) => socket.emit("echo", data));
    socket.on("ack", (data, answer) => answer(data));
    socket.on("broadcast", (data) => io.emit("broadcast", data));
    socket.on("join", (room, answer) => {
      socket.join(room);
      answer("ok");
    });
    socket.on("room", (room, data) => io.to(room).emit("room", data));
    socket.on("sockets", async (answer) => answer((await io.fetchSockets()).length));
  });
  server.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 4096 });
}

main();
