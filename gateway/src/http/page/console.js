// Console: a manual client of either protocol.
import { Native, SocketIo } from "./clients.js";

/** Limit of lines in the log. */
const MAX_LINES = 500;
const at = (id) => document.getElementById(id);
let client = null;

/** Adds a line to the log. */
function log(kind, text) {
  const line = document.createElement("div");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString([], { hour12: false });
  const content = document.createElement("span");
  content.className = kind;
  content.textContent = text;
  line.append(time, " ", content);
  const list = at("log");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(line);
  while (list.children.length > MAX_LINES) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

/** Values as JSON; binary data as its length. */
function shown(values) {
  const replace = (_, value) => (value instanceof Uint8Array ? `<${value.length} bytes>` : value);
  return values.map((value) => JSON.stringify(value, replace)).join(", ");
}

function connected(is) {
  for (const form of ["rooms-form", "emit"]) {
    for (const element of at(form).elements) element.disabled = !is;
  }
  at("connect-button").textContent = client ? "Disconnect" : "Connect";
  for (const id of ["protocol", "namespace", "token"]) at(id).disabled = client !== null;
}

function emit(name, args, wantsAck) {
  const onAck = wantsAck && ((answer) => log("in", `acknowledgement of ${name}: ${shown(answer)}`));
  client.emit(name, args, onAck);
  log("out", `${name}: ${shown(args)}`);
}

/** Arguments of an input: JSON if it parses, otherwise text; none if it is empty. */
function typed(text) {
  if (text.trim() === "") return [];
  try {
    return [JSON.parse(text)];
  } catch {
    return [text];
  }
}

/** Starts the console. `path` is the path of Socket.IO. */
export function start(path) {
  at("connect").onsubmit = (event) => {
    event.preventDefault();
    if (client) return client.close();
    const namespace = at("namespace").value.trim() || "/";
    const token = at("token").value.trim();
    const on = {
      open: (id) => {
        log("in", `connected to ${namespace} as ${id}`);
        connected(true);
      },
      event: (name, args) => log("in", `${name}: ${shown(args)}`),
      close: (reason) => {
        log("wrong", `disconnected: ${reason}`);
        client = null;
        connected(false);
      },
    };
    const Client = at("protocol").value === "native" ? Native : SocketIo;
    try {
      client = new Client({ path, namespace, token, auth: token ? { token } : {} }, on);
    } catch (error) {
      // The token has characters that a subprotocol cannot have.
      log("wrong", error.message);
    }
    connected(false);
  };
  at("rooms-form").onsubmit = (event) => {
    event.preventDefault();
    emit(event.submitter?.value ?? "join", [{ room: at("room").value }]);
  };
  at("emit").onsubmit = (event) => {
    event.preventDefault();
    emit(at("event").value, typed(at("data").value), at("ack").checked);
  };
  at("clear").onclick = () => at("log").replaceChildren();
  connected(false);
}
