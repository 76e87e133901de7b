// The envelope of every event, and the standard types.

export const EventType = Object.freeze({
  USER_CONNECTED: "user:connected",
  USER_DISCONNECTED: "user:disconnected",
  USER_STATUS_CHANGED: "user:status_changed",
  CHAT_MESSAGE: "chat:message",
  CHAT_TYPING: "chat:typing",
  CHAT_READ: "chat:read",
  PRESENCE_UPDATE: "presence:update",
  PRESENCE_QUERY: "presence:query",
  NOTIFICATION: "notification",
  SYSTEM_ERROR: "system:error",
  SYSTEM_INFO: "system:info",
});

const now = () => Date.now() / 1000;

/** The id of an event. It exists in pages without TLS too, unlike `crypto.randomUUID`. */
function newId() {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** An event to send; `kind` is its type, or another event to which the fields are added. */
export function outgoing(kind, fields = {}) {
  const given = typeof kind === "string" ? { type: kind } : kind;
  if (typeof given?.type !== "string") {
    throw new TypeError("an event has a type");
  }
  return { timestamp: now(), event_id: newId(), ...given, ...fields, type: given.type };
}

/** A received event; `undefined` for a message that is none. */
export function incoming(data) {
  return typeof data?.type === "string" ? { timestamp: now(), source: "", ...data } : undefined;
}

/** Whether there is binary data, which JSON cannot hold. */
export function hasBinary(value) {
  if (value === null || typeof value !== "object") {
    return false;
  }
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value) || (globalThis.Blob && value instanceof Blob)) {
    return true;
  }
  return Object.values(value).some(hasBinary);
}
