// The page: a conversation with the bot.
import { SocketIo } from "./clients.js";

const $ = (id) => document.getElementById(id);
const settings = await (await fetch("page.json")).json();
const LONGEST_PAUSE = 10_000;

let client = null;
let session = sessionStorage.getItem("session");
let token = sessionStorage.getItem("token");
let pause = 500;

function state(name, text) {
  $("state").dataset.state = name;
  $("state").textContent = text;
  const isLive = name === "live";
  for (const control of [$("text"), $("send"), ...document.querySelectorAll(".choices button")]) control.disabled = !isLive;
}

function connect() {
  if (settings.needs_token && !token) return ask("a token is needed");
  state("waiting", "connecting");
  const mine = (client = new SocketIo(
    { path: settings.path, namespace: settings.namespace, auth: token ? { token } : {} },
    {
      open: () => {
        pause = 500;
        client.emit("session_request", [{ session_id: session }]);
      },
      event: (name, [data]) => receive(name, data),
      close: (reason) => mine === client && closed(reason),
    },
  ));
}

function closed(reason) {
  client = null;
  state("lost", reason);
  if (reason === "not authenticated") return ask(reason);
  setTimeout(connect, pause);
  pause = Math.min(2 * pause, LONGEST_PAUSE);
}

function ask(reason) {
  token = null;
  sessionStorage.removeItem("token");
  state("lost", reason);
  $("unlock").hidden = false;
  $("token").focus();
}

function receive(name, data) {
  if (name === "session_confirm") {
    session = data;
    sessionStorage.setItem("session", session);
    state("live", "connected");
    $("text").focus();
  } else if (name === settings.bot_message_evt) {
    show("bot", ...parts(data));
  } else if (name === "error") {
    show("error", data?.message ?? JSON.stringify(data));
  }
}

function say(text, shown = text) {
  show("user", shown);
  client?.emit(settings.user_message_evt, [{ message: text, session_id: session }]);
}

/** Adds a message of texts and elements. */
function show(author, ...content) {
  const message = element("div", { className: `message ${author}` }, ...content);
  $("log").append(message);
  message.scrollIntoView({ block: "end" });
}

function element(name, properties, ...content) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...content);
  return made;
}

/** Only web addresses: the bot, or what it repeats, must not run scripts. */
function web(url) {
  try {
    const parsed = new URL(url, document.baseURI);
    return ["http:", "https:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

function link(url, text) {
  const href = web(url);
  return href ? element("a", { href, target: "_blank", rel: "noopener noreferrer" }, text) : String(text);
}

function picture(url, alt) {
  const src = String(url).startsWith("data:image/") ? url : web(url);
  return src ? element("img", { src, alt }) : String(url);
}

/** The content of a message of the bot. */
function parts(message) {
  const found = [];
  if (typeof message?.text === "string") found.push(message.text);
  if (message?.attachment) found.push(...attachment(message.attachment));
  if (!found.length) found.push(element("pre", {}, JSON.stringify(message, null, 2)));
  const choices = [message?.quick_replies, message?.buttons].flat().filter((choice) => choice?.title);
  if (choices.length) found.push(buttons(choices, true));
  return found;
}

function attachment({ type, payload }) {
  const url = payload?.src ?? payload?.url;
  const title = payload?.title ?? url;
  if (type === "template") return [payload?.elements ?? []].flat().flatMap(card);
  if (url === undefined) return [element("pre", {}, JSON.stringify({ type, payload }, null, 2))];
  if (type === "image") return [picture(url, payload.title ?? "")];
  if (type === "video" && web(url)) return [element("video", { src: web(url), controls: true }), link(url, title)];
  return [link(url, title)];
}

function card({ title, subtitle, image_url, buttons: choices }) {
  const found = [];
  if (image_url) found.push(picture(image_url, title ?? ""));
  if (title) found.push(element("strong", {}, title));
  if (subtitle) found.push(element("div", {}, subtitle));
  if (Array.isArray(choices)) found.push(buttons(choices, false));
  return found;
}

/** Buttons; those that answer a question disappear after a choice. */
function buttons(choices, disappear) {
  const group = element("div", { className: "choices" });
  for (const { title, payload, url } of choices) {
    if (url) {
      group.append(link(url, title));
      continue;
    }
    const button = element("button", { type: "button" }, title);
    button.onclick = () => {
      if (disappear) group.remove();
      say(payload ?? title, title);
    };
    group.append(button);
  }
  return group;
}

$("say").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text || !client) return;
  $("text").value = "";
  say(text);
};

$("unlock").onsubmit = (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("token", token);
  $("token").value = "";
  $("unlock").hidden = true;
  connect();
};

$("new").onclick = () => {
  $("log").replaceChildren();
  session = null;
  client?.emit("session_request", [{ session_id: null }]);
};

connect();
