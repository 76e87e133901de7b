// Clients of both protocols that look alike: `take` gives the data of the next event of a name.
import { io } from "socket.io-client";
import WebSocket from "ws";
import { next, soon } from "../../../tests/interop/waiting.mjs";

class Client {
  constructor() {
    this.came = [];
    this.waiting = [];
  }
  hear(event, data) {
    this.came.push([event, data]);
    this.waiting.splice(0).forEach((look) => look());
  }
  take(event) {
    return soon(event, (came) => {
      const look = () => {
        const at = this.came.findIndex(([name]) => name === event);
        at < 0 ? this.waiting.push(look) : came(this.came.splice(at, 1)[0][1]);
      };
      look();
    });
  }
  /** The names of everything that came and was not taken. */
  get rest() {
    return this.came.map(([name]) => name);
  }
}

export class SocketIo extends Client {
  constructor(url, options) {
    super();
    this.socket = io(url, { reconnection: false, forceNew: true, ...options });
    this.socket.onAny((event, data) => this.hear(event, data));
    this.ended = new Promise((resolve) => this.socket.once("disconnect", resolve));
  }
  /** What it was refused with. */
  async refused() {
    const [error] = await next(this.socket, "connect_error");
    this.socket.close();
    return error.message;
  }
  emit(event, data) {
    data === undefined ? this.socket.emit(event) : this.socket.emit(event, data);
  }
}

export class Native extends Client {
  constructor(url, options) {
    super();
    this.ws = new WebSocket(url.replace("http:", "ws:"), options);
    this.ws.on("message", (text) => {
      const { event, data } = JSON.parse(text);
      this.hear(event, data);
    });
    this.ended = new Promise((resolve) => this.ws.once("close", resolve));
  }
  async refused() {
    const [, response] = await next(this.ws, "unexpected-response");
    this.ws.on("error", () => {});
    this.ws.terminate();
    return response.statusCode;
  }
  emit(event, data) {
    this.ws.send(JSON.stringify({ event, data }));
  }
}
