// The official server on the engine that is made for Bun.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";

const io = new Server();
const engine = new Engine({ path: "/socket.io/", pingInterval: 25000, pingTimeout: 20000 });
io.bind(engine);
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
export default { port: Number(process.env.PORT), hostname: "127.0.0.1", ...engine.handler() };
