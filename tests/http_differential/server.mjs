// Node's HTTP server, which returns the received request in a header of each response.
import http from "node:http";
import net from "node:net";

const server = http.createServer({ insecureHTTPParser: false, keepAliveTimeout: 60_000 }, (request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const line = Buffer.from(`${request.method} ${request.url}\n`, "latin1");
    response.setHeader("x-seen", Buffer.concat([line, ...pieces]).toString("hex"));
    response.setHeader("content-length", 0);
    response.end();
  });
});
server.httpAllowHalfOpen = true;
server.on("checkExpectation", (_, response) => response.writeHead(417).end());
// Same response as without a listener, but delayed: earlier requests are answered in later turns of the event loop.
server.on("clientError", (_, socket) => {
  setTimeout(() => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", () => socket.destroy());
    else socket.destroy();
  }, 5);
});
// CONNECT is refused, because the connection would become a tunnel.
server.on("connect", (_, socket) => socket.end("HTTP/1.1 405 Method Not Allowed\r\n\r\n"));
const front = net.createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  // No event reports an error after an upgrade, so a timeout ends the connection.
  socket.setTimeout(2_000, () => socket.destroy());
  server.emit("connection", socket);
});
front.listen(0, "127.0.0.1", () => console.log(front.address().port));
process.stdin.resume().on("end", () => process.exit());
