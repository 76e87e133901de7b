// The numbers, as the namespace /gateway tells them each second.
import { SocketIo } from "./clients.js";
import { start } from "./console.js";

/** How many seconds the chart shows, and how large it is drawn. */
const SECONDS = 60;
const WIDTH = 600;
const HEIGHT = 120;
/** How long to wait before connecting again: at first, and at most. */
const WAITS = [500, 10000];

const at = (id) => document.getElementById(id);
const rates = [];
let last = null;
let wait = WAITS[0];
/** Where the key is kept, for as long as the tab is open. */
const KEPT = "socketio-gateway-key";
let key = "";

function state(name, text) {
  at("numbers").classList.toggle("stale", name !== "live");
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

/** Fills the body of a table, the last columns being numbers. */
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
          // A long one is cut to two lines, and whole where the pointer rests.
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

function show(numbers) {
  const now = performance.now();
  if (last) {
    const seconds = Math.max(0.1, (now - last.at) / 1000);
    const rate = (which) => Math.max(0, numbers[which].messages - last.numbers[which].messages) / seconds;
    rates.push({ received: rate("received"), sent: rate("sent") });
    if (rates.length > SECONDS) rates.shift();
  }
  last = { at: now, numbers };
  chart();
  const { websocket, polling, native } = numbers.connections;
  at("total").textContent = websocket + polling + native;
  at("websocket").textContent = websocket;
  at("polling").textContent = polling;
  at("native").textContent = native;
  at("rooms-total").textContent = numbers.roomCount;
  at("queued").textContent = size(numbers.queuedBytes);
  at("about").textContent = `· up ${duration(numbers.uptimeSeconds)}`;
  rows("rooms", numbers.rooms, ({ room, namespace, members }) => [room, namespace, members]);
  at("no-rooms").hidden = numbers.rooms.length > 0;
  at("more-rooms").hidden = numbers.roomCount <= numbers.rooms.length;
  at("more-rooms").textContent = `and ${numbers.roomCount - numbers.rooms.length} smaller ones`;
  rows("closes", Object.entries(numbers.closes), (entry) => entry);
  at("no-closes").hidden = numbers.lastCloses.length > 0;
  at("last-closes").replaceChildren(
    ...numbers.lastCloses.map((close) => {
      const line = document.createElement("li");
      const time = new Date(close.at).toLocaleTimeString([], { hour12: false });
      line.textContent = `${time} ${close.over} ${close.namespace} ${close.id}: ${close.reason}`;
      return line;
    }),
  );
}

/** Keeps a key for when the page is loaded again, or forgets it. */
function keep(value) {
  key = value;
  try {
    if (key) sessionStorage.setItem(KEPT, key);
    else sessionStorage.removeItem(KEPT);
  } catch {
    // Without storage it is asked for again.
  }
}

/** Takes the key of a link, `#key=…`, and removes it from the address. Otherwise it is the one that was kept. */
function take() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given) {
    history.replaceState(null, "", location.pathname + location.search);
    keep(given);
    return true;
  }
  try {
    key ||= sessionStorage.getItem(KEPT) ?? "";
  } catch {
    // There is no storage.
  }
  return false;
}

/** Watches, and comes back after a break until the gateway says that a key is needed. */
function watch(path) {
  let refused = true;
  new SocketIo({ path, namespace: "/gateway", auth: key ? { key } : {} }, {
    open: () => {
      refused = false;
      wait = WAITS[0];
      state("live", "live");
      at("unlock").hidden = true;
      at("numbers").hidden = false;
    },
    event: (name, [numbers]) => name === "numbers" && show(numbers),
    close: (reason) => {
      last = null;
      if (refused && reason === "unauthorized") {
        state("lost", "locked");
        at("unlock-error").textContent = key ? "This key opens nothing." : "";
        at("unlock").hidden = false;
        at("numbers").hidden = true;
        keep("");
        return;
      }
      state("lost", "connection lost");
      setTimeout(() => watch(path), wait * (0.5 + Math.random() / 2));
      wait = Math.min(wait * 2, WAITS[1]);
    },
  });
}

take();
const info = await (await fetch("info")).json();
document.title = `${info.name} ${info.version}`;
const path = info.protocols.socketio.path.replace(/\/*$/, "");
at("unlock").onsubmit = (event) => {
  event.preventDefault();
  keep(at("key").value);
  watch(path);
};
// A link that is opened in the tab of the page itself does not load it again.
addEventListener("hashchange", () => take() && !at("unlock").hidden && watch(path));
start(path);
watch(path);
