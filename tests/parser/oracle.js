// The official parsers, asked by the test program beside this file: one JSON object per line in, one out.
//
// Values cross the pipe as JSON, with objects of one key for what JSON has not:
// {"$b": hex} binary, {"$n": text} a number that is no integer, {"$u": 1} a string with an unpaired surrogate,
// {"$o": entries} an object, {"$d": 1} whatever is too deep for the reader.
"use strict";

const readline = require("readline");
const json = require("socket.io-parser");
const msgpack = require("socket.io-msgpack-parser");

const parsers = { json, msgpack };

/** The reader follows 128 levels of JSON, and an object is three of them. */
const MAX_DEPTH = 30;

/** From the pipe's form to a JavaScript value. */
function fromPipe(value) {
  if (Array.isArray(value)) return value.map(fromPipe);
  if (value !== null && typeof value === "object") {
    if (typeof value.$b === "string") return Buffer.from(value.$b, "hex");
    const object = {};
    for (const key of Object.keys(value)) {
      Object.defineProperty(object, key, {
        value: fromPipe(value[key]),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return object;
  }
  return value;
}

/** From a JavaScript value to the pipe's form; msgpack knows values that JSON.stringify makes into something else. */
function toPipe(value, strict, depth = 0) {
  if (depth > MAX_DEPTH) return { $d: 1 };
  switch (typeof value) {
    case "number":
      if (Number.isSafeInteger(value)) return value;
      return strict && !Number.isFinite(value) ? null : { $n: String(value) };
    case "string":
      return value.isWellFormed() ? value : { $u: 1 };
    case "undefined":
      return null;
  }
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Date) return toPipe(value.toJSON(), strict, depth);
  if (value instanceof ArrayBuffer) return { $b: Buffer.from(value).toString("hex") };
  if (ArrayBuffer.isView(value)) {
    return { $b: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex") };
  }
  if (Array.isArray(value)) return Array.from(value, (element) => toPipe(element, strict, depth + 1));
  // A list of entries: keys may be any string, and their order is kept.
  const entries = [];
  for (const key of Object.keys(value)) {
    if (strict && value[key] === undefined) continue;
    entries.push([toPipe(key, strict), toPipe(value[key], strict, depth + 1)]);
  }
  return { $o: entries };
}

function packetToPipe(packet, strict) {
  const { type, nsp, id, data } = packet;
  const out = { type, nsp };
  if (id !== undefined) out.id = Number.isSafeInteger(id) ? id : { $n: String(id) };
  if (data !== undefined) {
    out.data = toPipe(data, strict);
    // The name of an event is what its listener is registered under: a string.
    if (type === 2 && typeof data[0] === "number") out.data[0] = String(data[0]);
  }
  return out;
}

/** What each message of a sequence is answered with, up to the first error. */
function decode(name, messages) {
  const decoder = new parsers[name].Decoder();
  let packet;
  decoder.on("decoded", (decoded) => (packet = decoded));
  const answers = [];
  for (const message of messages) {
    packet = undefined;
    try {
      decoder.add(typeof message === "string" ? message : Buffer.from(message.$b, "hex"));
    } catch (error) {
      answers.push({ error: String(error.message) });
      break;
    }
    answers.push(packet === undefined ? null : packetToPipe(packet, name === "msgpack"));
  }
  return answers;
}

function encode(name, packet) {
  const encoded = new parsers[name].Encoder().encode(fromPipe(packet));
  return encoded.map((part) => (typeof part === "string" ? part : { $b: part.toString("hex") }));
}

readline.createInterface({ input: process.stdin, crlfDelay: Infinity }).on("line", (line) => {
  const { parser, packet, messages } = JSON.parse(line);
  const answer = { decoded: decode(parser, messages) };
  if (packet !== undefined) answer.encoded = encode(parser, packet);
  process.stdout.write(JSON.stringify(answer) + "\n");
});
