// The client of a service: its connection to the bus, which reconnects by itself, and the HTTP API as a fallback.
import { Manager } from "socket.io-client";
import { ConnectorError, Denied, NotConnected, Refused, Unanswered } from "./errors.js";
import { incoming, outgoing } from "./events.js";
import { Fallback } from "./fallback.js";
import { Requests } from "./requests.js";
import { Subscriptions } from "./subscriptions.js";

export const LinkState = Object.freeze({ SOCKET: "socket", HTTP: "http", REFUSED: "refused" });

/** Maximum number of events that `say` keeps while there is no connection. */
const MAX_UNSENT = 1_000;

export class ServiceConnector {
  #name;
  #timeout;
  #delay;
  #fallback;
  #manager;
  #socket;
  #rooms = new Set();
  #unsent = [];
  #handlers = new Map();
  #denied;
  #asking = new Set();
  #closing;
  #again;
  #subscriptions;
  #requests;

  constructor(name, url, options = {}) {
    const { key, path = "/socket.io/", timeout = 5_000, reconnectionDelay = 500 } = options;
    let parsed;
    try {
      parsed = new URL(url);
    } catch (cause) {
      throw new ConnectorError(`${url} is not the URL of a bus: http://HOST:PORT, or https`, { cause });
    }
    if (!/^https?:$/.test(parsed.protocol)) {
      throw new ConnectorError(`${url} is not the URL of a bus: http://HOST:PORT, or https`);
    }
    if (key !== undefined && !/^[\x20-\x7e]*$/.test(key)) {
      throw new ConnectorError("the key cannot stand in a header");
    }
    url = url.replace(/\/+$/, "");
    this.#name = name;
    this.#timeout = timeout;
    this.#delay = reconnectionDelay;
    this.#fallback = new Fallback(url, key, name, timeout);
    this.#manager = new Manager(url, {
      path,
      timeout,
      reconnectionDelay,
      reconnectionDelayMax: reconnectionDelay * 10,
      autoConnect: false,
    });
    this.#socket = this.#manager.socket("/", { auth: { service: name, key } });
    this.#socket.on("connect", () => this.#restore());
    this.#socket.on("connect_error", (error) => {
      // Only the bus itself ends the attempts. A restarted bus may have another key.
      if (!this.#socket.active) {
        this.#denied = error.message;
      }
    });
    this.#socket.on("disconnect", (reason) => {
      // The client of npm does not reconnect if the server ends the connection, as a bus does that stops.
      if (reason === "io server disconnect") {
        this.#again = setTimeout(() => this.#socket.connect(), this.#delay);
      }
    });
    this.#socket.onAny((type, data) => this.#received(type, data));
    this.#subscriptions = new Subscriptions(name, this.#socket, timeout);
    this.#requests = new Requests(this.#socket);
  }

  get name() {
    return this.#name;
  }

  get link() {
    if (this.#socket.connected) {
      return LinkState.SOCKET;
    }
    return this.#denied === undefined ? LinkState.HTTP : LinkState.REFUSED;
  }

  async initialize() {
    this.#denied = undefined;
    clearTimeout(this.#again);
    if (!this.#socket.connected) {
      await this.#tried();
    }
    if (this.#socket.connected) {
      return LinkState.SOCKET;
    }
    if (this.#denied !== undefined) {
      throw new Denied(this.#denied);
    }
    try {
      await this.#fallback.isThere();
    } catch (error) {
      if (error instanceof Denied) {
        this.#denied = error.message;
        this.#socket.disconnect();
      }
      throw error;
    }
    return this.link;
  }

  onEvent(type, handler) {
    const handlers = this.#handlers.get(type) ?? [];
    this.#handlers.set(type, [...handlers, handler]);
    return handler;
  }

  off(type, handler) {
    const handlers = this.#handlers.get(type) ?? [];
    const kept = handler === undefined ? [] : handlers.filter((one) => one !== handler);
    this.#handlers.set(type, kept);
    return kept.length < handlers.length;
  }

  async emitToUser(userId, kind, fields) {
    return this.#ask("emit_to_user", { user_id: userId, event: outgoing(kind, fields) });
  }

  async emitToClient(clientId, kind, fields) {
    return this.#ask("emit_to_client", { client_id: clientId, event: outgoing(kind, fields) });
  }

  async emitToRoom(room, kind, fields) {
    return this.#ask("emit_to_room", { room, event: outgoing(kind, fields) });
  }

  async emitToService(service, kind, fields) {
    return this.#ask("emit_to_service", { service, event: outgoing(kind, fields) });
  }

  async publish(kind, fields) {
    return this.#ask("publish", { event: outgoing(kind, fields) });
  }

  async subscribe(name, types, handler) {
    this.#subscriptions.add(name, types, handler);
    this.#needsConnection();
    await this.#subscriptions.subscribe(name);
  }

  async unsubscribe(name) {
    this.#subscriptions.remove(name);
    this.#needsConnection();
    await this.#subscriptions.ask("unsubscribe", { subscription: name });
  }

  onDropped(handler) {
    this.#subscriptions.dropped = handler;
  }

  onRequest(type, handler) {
    this.#requests.set(type, handler);
  }

  async request(service, kind, fields, { timeout = 5_000 } = {}) {
    const request = { service, event: outgoing(kind, fields), timeout_ms: timeout };
    // The bus answers when the time is over.
    const limit = timeout + this.#timeout;
    if (this.#socket.connected) {
      return this.#requests.ask(request, limit);
    }
    if (this.#denied !== undefined) {
      throw new Denied(this.#denied);
    }
    return this.#fallback.request(request, limit);
  }

  async broadcast(kind, fields) {
    return this.#ask("broadcast", { event: outgoing(kind, fields) });
  }

  async join(room) {
    this.#rooms.add(room);
    try {
      await this.#ask("join_room", { room }, true);
    } catch (error) {
      if (error instanceof Refused) {
        // The room would be refused after each reconnect too.
        this.#rooms.delete(room);
      }
      throw error;
    }
  }

  async leave(room) {
    this.#rooms.delete(room);
    await this.#ask("leave_room", { room }, true);
  }

  async joinClient(clientId, room) {
    await this.#ask("join_room", { client_id: clientId, room });
  }

  async leaveClient(clientId, room) {
    await this.#ask("leave_room", { client_id: clientId, room });
  }

  say(kind, fields) {
    const event = outgoing(kind, fields);
    if (this.#socket.connected) {
      this.#socket.emit(event.type, event);
    } else if (this.#denied !== undefined) {
      throw new Denied(this.#denied);
    } else if (this.#unsent.length >= MAX_UNSENT) {
      throw new NotConnected("there is no connection, and too many events wait for one");
    } else {
      this.#unsent.push(event);
    }
  }

  async shutdown() {
    // Later commands wait for the end, and then use the API.
    this.#closing ??= this.#close().finally(() => (this.#closing = undefined));
    await this.#closing;
  }

  async #close() {
    clearTimeout(this.#again);
    // Each command has its own deadline.
    await Promise.allSettled([...this.#asking]);
    if (this.#socket.connected) {
      // The transport may close before all events are written. The answer to a later command shows that the bus
      // has read them. No room has this name.
      await this.#overSocket("leave_room", { room: "" }).catch(() => {});
    }
    this.#socket.disconnect();
  }

  async #ask(op, body, inPerson = false) {
    while (this.#closing) {
      await this.#closing;
    }
    const asked = this.#carryOut(op, body, inPerson);
    this.#asking.add(asked);
    try {
      return await asked;
    } finally {
      this.#asking.delete(asked);
    }
  }

  async #carryOut(op, body, inPerson) {
    // A command that was sent over the connection is not repeated over HTTP.
    if (this.#socket.connected) {
      return this.#overSocket(op, body);
    }
    if (this.#denied !== undefined) {
      throw new Denied(this.#denied);
    }
    if (inPerson) {
      throw new NotConnected("there is no connection");
    }
    return this.#fallback.carryOut(op, body);
  }

  async #overSocket(op, body) {
    let answer;
    try {
      answer = await this.#socket.timeout(this.#timeout).emitWithAck(op, body);
    } catch (cause) {
      throw new Unanswered("the bus did not answer", { cause });
    }
    if (typeof answer?.reached === "number") {
      return answer.reached;
    }
    throw new Refused(String(answer?.error ?? ""));
  }

  #needsConnection() {
    if (!this.#socket.connected) {
      throw this.#denied === undefined ? new NotConnected("there is no connection") : new Denied(this.#denied);
    }
  }

  /** Waits for the connection, the first failure, or the timeout. */
  #tried() {
    return new Promise((done) => {
      const end = () => {
        clearTimeout(timer);
        this.#socket.off("connect", end);
        this.#socket.off("connect_error", end);
        done();
      };
      const timer = setTimeout(end, this.#timeout);
      this.#socket.on("connect", end);
      this.#socket.on("connect_error", end);
      this.#socket.connect();
    });
  }

  #restore() {
    this.#denied = undefined;
    this.#subscriptions.restore();
    // The bus has lost the rooms with the previous connection.
    for (const room of this.#rooms) {
      this.#socket.emit("join_room", { room });
    }
    for (const event of this.#unsent.splice(0)) {
      this.#socket.emit(event.type, event);
    }
  }

  #received(type, data) {
    if (type.startsWith("bus:")) {
      return;
    }
    const event = incoming(data);
    if (event === undefined) {
      console.error(`${this.#name}: ${type} is no event of the bus`);
      return;
    }
    for (const handler of this.#handlers.get(type) ?? []) {
      const failed = (error) => console.error(`${this.#name}: a handler of ${type} failed`, error);
      // An error of a handler ends neither the connection nor the other handlers.
      try {
        Promise.resolve(handler(event)).catch(failed);
      } catch (error) {
        failed(error);
      }
    }
  }
}
