// The console: a client of either protocol, by hand.
import { Native, SocketIo } from "./clients.js";

/** So many lines are kept. */
const KEPT = 500;
const at = (id) => document.getElementById(id);
let client = null;

/** Adds a line to the log. */
function log(kind, text) {
  const line = document.createElement("div");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString([], { hour12: false });
  const said = document.createElement("span");
  said.className = kind;
  said.textContent = text;
  line.append(time, " ", said);
  const list = at("log");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(line);
  while (list.children.length > KEPT) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

/** Values as they are read: JSON, and how many bytes are binary. */
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

function emit(name, args, wantsAnswer) {
  const answered = wantsAnswer && ((answer) => log("in", `answer to ${name}: ${shown(answer)}`));
  client.emit(name, args, answered);
  log("out", `${name}: ${shown(args)}`);
}

/** What was typed: JSON if it is, text otherwise, and nothing at all if it is empty. */
function typed(text) {
  if (text.trim() === "") return [];
  try {
    return [JSON.parse(text)];
  } catch {
    return [text];
  }
}

/** Makes the console work. `path` is where Socket.IO is. */
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
      // A token with letters that a subprotocol cannot have.
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
