"use strict";
// The official server, as its documentation writes servers.
const http = require("node:http");
const { Server } = require("socket.io");

const server = http.createServer();
const io = new Server(server, { pingInterval: 25000, pingTimeout: 20000, perMessageDeflate: false });
io.on("connection", (socket) => {
  socket.on("echo", (data) => socket.emit("echo", data));
  socket.on("ack", (data, answer) => answer(data));
  socket.on("broadcast", (data) => io.emit("broadcast", data));
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer("ok");
  });
  socket.on("room", (room, data) => io.to(room).emit("room", data));
});
server.listen({ port: Number(process.env.PORT), host: "127.0.0.1", backlog: 4096 });
