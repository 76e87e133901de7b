// Clients of the two protocols of the gateway, with a common interface:
//
//   on.open(), on.event(name, arguments), on.close(reason)     callbacks
//   emit(name, arguments, onAck), close()                      methods

/** URL of a WebSocket of this gateway, relative to the page. */
function address(path, parameters) {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

/** Client of Socket.IO (protocol version 5) over a WebSocket. */
export class SocketIo {
  #socket;
  #prefix;
  #acks = new Map();
  #nextId = 0;
  #reason = "transport close";
  #incomplete = null;

  constructor({ path, namespace, auth }, on) {
    this.#prefix = namespace === "/" ? "" : `${namespace},`;
    this.#socket = new WebSocket(address(`.${path}/`, { EIO: 4, transport: "websocket" }));
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onclose = () => on.close(this.#reason);
    this.#socket.onmessage = ({ data }) => {
      if (typeof data !== "string") return this.#attachment(data, on);
      if (data[0] === "0") this.#socket.send(`40${this.#prefix}${JSON.stringify(auth)}`);
      else if (data[0] === "2") this.#socket.send("3");
      else if (data[0] === "4") this.#packet(data[1], this.#body(data.slice(2)), on);
    };
  }

  #body(rest) {
    const [, attachments, , id, json] = /^(?:(\d+)-)?(\/[^,]*,)?(\d*)([^]*)$/.exec(rest);
    return { attachments: Number(attachments ?? 0), id: id === "" ? null : Number(id), data: json && JSON.parse(json) };
  }

  #packet(type, { attachments, id, data }, on) {
    if (type === "0") on.open(data.sid);
    else if (type === "4") this.#end(data.message);
    else if (type === "1") this.#end("server namespace disconnect");
    else if (attachments > 0) this.#incomplete = { type, id, data, missing: attachments, parts: [] };
    else if (type === "2" || type === "5") on.event(data[0], data.slice(1), (...args) => this.#ack(id, args));
    else if (type === "3" || type === "6") this.#acked(id, data);
  }

  #attachment(bytes, on) {
    const waiting = this.#incomplete;
    if (!waiting) return;
    waiting.parts.push(new Uint8Array(bytes));
    if (waiting.parts.length < waiting.missing) return;
    this.#incomplete = null;
    this.#packet(waiting.type, { attachments: 0, id: waiting.id, data: fill(waiting.data, waiting.parts) }, on);
  }

  #ack(id, args) {
    if (id !== null) this.#socket.send(`43${this.#prefix}${id}${JSON.stringify(args)}`);
  }

  #acked(id, args) {
    this.#acks.get(id)?.(args);
    this.#acks.delete(id);
  }

  #end(reason) {
    this.#reason = reason;
    this.#socket.close();
  }

  emit(name, args, onAck) {
    let id = "";
    if (onAck) this.#acks.set((id = this.#nextId++), onAck);
    this.#socket.send(`42${this.#prefix}${id}${JSON.stringify([name, ...args])}`);
  }

  close() {
    this.#end("client namespace disconnect");
  }
}

/** Client of the native protocol: JSON over a WebSocket. */
export class Native {
  #socket;
  #acks = new Map();
  #nextId = 0;
  #reason = null;
  #incomplete = null;

  constructor({ namespace, token }, on) {
    // The token is not a query parameter, because proxies log URLs.
    const subprotocols = token ? ["native", `bearer.${token}`] : [];
    this.#socket = new WebSocket(address("./native", { namespace }), subprotocols);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onclose = ({ code, reason }) => on.close(this.#reason ?? (reason || `closed with ${code}`));
    this.#socket.onmessage = ({ data }) => {
      if (typeof data === "string") return this.#message(JSON.parse(data), on);
      const part = new Uint8Array(data);
      const waiting = this.#incomplete;
      if (!waiting) return on.event("message", [part]);
      waiting.parts.push(part);
      if (waiting.parts.length < waiting.message.attachments) return;
      this.#incomplete = null;
      const { attachments, ...message } = fill(waiting.message, waiting.parts);
      this.#message(message, on);
    };
  }

  #message(message, on) {
    if (message.attachments > 0) this.#incomplete = { message, parts: [] };
    else if (message.event === "connect") on.open(message.data.id);
    else if (message.event !== undefined) {
      const ack = (data) => message.id !== undefined && this.#socket.send(JSON.stringify({ id: message.id, data }));
      on.event(message.event, message.args ?? ("data" in message ? [message.data] : []), ack);
    } else {
      this.#acks.get(message.id)?.(message.args ?? ("data" in message ? [message.data] : []));
      this.#acks.delete(message.id);
    }
  }

  emit(event, args, onAck) {
    const message = args.length > 1 ? { event, args } : { event, data: args[0] };
    if (onAck) this.#acks.set((message.id = this.#nextId++), onAck);
    this.#socket.send(JSON.stringify(message));
  }

  close() {
    this.#reason = "closed";
    this.#socket.close();
  }
}

/** Replaces the placeholders by the attachments. */
function fill(value, parts) {
  if (value === null || typeof value !== "object") return value;
  if (value._placeholder === true) return parts[value.num];
  if (Array.isArray(value)) return value.map((item) => fill(item, parts));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, parts)]));
}
