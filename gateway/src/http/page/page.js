// Live statistics from the namespace /gateway, once a second.
import { SocketIo } from "./clients.js";
import { start } from "./console.js";

/** Period of the chart in seconds, and its size in pixels. */
const SECONDS = 60;
const WIDTH = 600;
const HEIGHT = 120;
/** Backoff before a reconnection in milliseconds: the first one, and the limit. */
const BACKOFF = [500, 10000];

const at = (id) => document.getElementById(id);
const rates = [];
let last = null;
let wait = BACKOFF[0];
/** Key of the session storage that holds the operator key while the tab is open. */
const STORAGE_KEY = "socketio-gateway-key";
let key = "";

function state(name, text) {
  at("stats").classList.toggle("stale", name !== "live");
  at("state").dataset.state = name;
  at("state").textContent = text;
}

function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function duration(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first < 0) return "0 s";
  const parts = units.slice(first, first + 2).map(([unit, length]) => {
    const whole = Math.floor(seconds / length);
    seconds -= whole * length;
    return `${whole} ${unit}`;
  });
  return parts.join(" ");
}

/** Fills the body of a table. Numbers are aligned to the right. */
function rows(id, list, columns) {
  at(id).replaceChildren(
    ...list.map((item) => {
      const row = document.createElement("tr");
      for (const value of columns(item)) {
        const cell = document.createElement("td");
        if (typeof value === "number") {
          cell.className = "number";
          cell.textContent = value;
        } else {
          // A long text is cut to two lines; its title shows it whole.
          const text = document.createElement("span");
          text.textContent = text.title = value;
          cell.append(text);
        }
        row.append(cell);
      }
      return row;
    }),
  );
}

function chart() {
  const top = Math.max(1, ...rates.flatMap(({ received, sent }) => [received, sent]));
  for (const which of ["received", "sent"]) {
    const points = rates.map((rate, index) => {
      const x = WIDTH - (rates.length - 1 - index) * (WIDTH / (SECONDS - 1));
      return `${x.toFixed(1)},${(HEIGHT - 2 - (rate[which] / top) * (HEIGHT - 6)).toFixed(1)}`;
    });
    at(`line-${which}`).setAttribute("points", points.join(" "));
    at(`rate-${which}`).textContent = Math.round(rates.at(-1)?.[which] ?? 0);
  }
  at("scale").textContent = Math.ceil(top);
}

function show(stats) {
  const now = performance.now();
  if (last) {
    const seconds = Math.max(0.1, (now - last.at) / 1000);
    const rate = (which) => Math.max(0, stats[which].messages - last.stats[which].messages) / seconds;
    rates.push({ received: rate("received"), sent: rate("sent") });
    if (rates.length > SECONDS) rates.shift();
  }
  last = { at: now, stats };
  chart();
  const { websocket, polling, native } = stats.connections;
  at("total").textContent = websocket + polling + native;
  at("websocket").textContent = websocket;
  at("polling").textContent = polling;
  at("native").textContent = native;
  at("rooms-total").textContent = stats.roomCount;
  at("queued").textContent = size(stats.queuedBytes);
  at("about").textContent = `· up ${duration(stats.uptimeSeconds)}`;
  rows("rooms", stats.rooms, ({ room, namespace, members }) => [room, namespace, members]);
  at("no-rooms").hidden = stats.rooms.length > 0;
  at("more-rooms").hidden = stats.roomCount <= stats.rooms.length;
  at("more-rooms").textContent = `and ${stats.roomCount - stats.rooms.length} smaller rooms`;
  const nodes = stats.nodes ?? [];
  at("cluster").hidden = nodes.length === 0;
  const peers = nodes.flatMap(({ peers }) => peers ?? []);
  at("cluster").classList.toggle("shares", peers.length > 0);
  rows("nodes", nodes, ({ node, connections, peers: { nodes: links = [], relayed = 0, openRequests = 0 } = {} }) => {
    const linked = links.filter(({ connected }) => connected).length;
    return peers.length > 0 ? [node, connections, `${linked} of ${links.length}`, relayed, openRequests] : [node, connections];
  });
  const lost = nodes.flatMap(({ node, peers }) =>
    (peers?.nodes ?? []).filter(({ connected }) => !connected).map(({ address }) => `${node} to ${address}`));
  at("lost").hidden = lost.length === 0;
  at("lost").textContent = `Without a connection: ${lost.join(", ")}.`;
  const { missing = [], link = "connected" } = stats.partial ?? {};
  at("missing").hidden = missing.length === 0 && link === "connected";
  at("missing").textContent = `Without ${missing.join(", ") || "nodes that are not known"}. Link to the cluster: ${link}.`;
  rows("disconnects", Object.entries(stats.disconnects), (entry) => entry);
  at("no-disconnects").hidden = stats.recentDisconnects.length > 0;
  at("recent-disconnects").replaceChildren(
    ...stats.recentDisconnects.map((close) => {
      const line = document.createElement("li");
      const time = new Date(close.at).toLocaleTimeString([], { hour12: false });
      line.textContent = `${time} ${close.transport} ${close.namespace} ${close.id}: ${close.reason}`;
      return line;
    }),
  );
}

/** Stores the key until the tab is closed; an empty key removes it. */
function storeKey(value) {
  key = value;
  try {
    if (key) sessionStorage.setItem(STORAGE_KEY, key);
    else sessionStorage.removeItem(STORAGE_KEY);
  } catch {
    // Without storage the page asks for the key again after a reload.
  }
}

/** Reads the key of the link, `#key=…`, and removes it from the address bar; without one, reads the stored key. */
function readKey() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given) {
    history.replaceState(null, "", location.pathname + location.search);
    storeKey(given);
    return true;
  }
  try {
    key ||= sessionStorage.getItem(STORAGE_KEY) ?? "";
  } catch {
    // There is no storage.
  }
  return false;
}

/** Connects to the statistics. Reconnects after a connection was lost, unless the key is refused. */
function connect(path) {
  let refused = true;
  new SocketIo({ path, namespace: "/gateway", auth: key ? { key } : {} }, {
    open: () => {
      refused = false;
      wait = BACKOFF[0];
      state("live", "live");
      at("unlock").hidden = true;
      at("stats").hidden = false;
    },
    event: (name, [stats]) => name === "stats" && show(stats),
    close: (reason) => {
      last = null;
      if (refused && reason === "unauthorized") {
        state("lost", "key required");
        at("unlock-error").textContent = key ? "Invalid key." : "";
        at("unlock").hidden = false;
        at("stats").hidden = true;
        storeKey("");
        return;
      }
      state("lost", "connection lost");
      setTimeout(() => connect(path), wait * (0.5 + Math.random() / 2));
      wait = Math.min(wait * 2, BACKOFF[1]);
    },
  });
}

readKey();
const info = await (await fetch("info")).json();
document.title = `${info.name} ${info.version}`;
const path = info.protocols.socketio.path.replace(/\/*$/, "");
at("unlock").onsubmit = (event) => {
  event.preventDefault();
  storeKey(at("key").value);
  connect(path);
};
// A link that is opened in the same tab does not reload the page.
addEventListener("hashchange", () => readKey() && !at("unlock").hidden && connect(path));
start(path);
connect(path);
