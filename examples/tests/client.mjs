// npm's socket.io-client for the scripts of the examples, from the packages of the working directory, and clients that
// keep every event.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";
import { next, soon } from "../../tests/interop/waiting.mjs";

export { ask, next, soon } from "../../tests/interop/waiting.mjs";

export const require = createRequire(join(process.cwd(), "package.json"));
export const { io } = require("socket.io-client");

/** A client of its own connection, whose events wait in order until they are expected. */
export class Client {
  #received = [];
  #waiting;

  constructor(url, options = {}) {
    this.socket = io(url, { forceNew: true, reconnection: false, autoConnect: false, ...options });
    this.socket.onAny((...event) => {
      const last = event.at(-1);
      if (typeof last === "function") event.splice(-1, 1, "ack");
      this.#received.push(event);
      this.#waiting?.();
    });
  }

  /** A client that is connected. */
  static async connect(url, options) {
    const client = new Client(url, options);
    const connected = next(client.socket, "connect");
    client.socket.connect();
    await connected;
    return client;
  }

  /** The message with which a client is refused. */
  static async refused(url, options) {
    const client = new Client(url, options);
    const refused = next(client.socket, "connect_error");
    client.socket.connect();
    const [error] = await refused;
    client.socket.close();
    return error.message;
  }

  emit(...event) {
    this.socket.emit(...event);
  }

  ask(...event) {
    return this.socket.timeout(20_000).emitWithAck(...event);
  }

  /** The next event, whichever it is. */
  async event() {
    if (this.#received.length === 0) {
      await soon("an event", (came) => (this.#waiting = came));
      this.#waiting = undefined;
    }
    return this.#received.shift();
  }

  /** The next event is this one. */
  async expect(...event) {
    assert.deepEqual(await this.event(), event);
  }

  /** Disconnects, and no event was left. */
  close() {
    assert.deepEqual(this.#received, []);
    this.socket.close();
  }
}

/** Ends a script whose test has passed. */
export function done() {
  console.log("ok");
  process.exit(0);
}
