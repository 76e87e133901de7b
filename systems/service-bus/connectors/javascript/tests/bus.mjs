// The bus of the tests, the program named by SERVICE_BUS, and waits with a deadline.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { LinkState, ServiceConnector } from "service-bus-connector";
import { io } from "socket.io-client";

export const KEY = "open sesame";
const LIMIT = 20_000;

/** A promise with a deadline. */
export async function soon(promise, what = "it") {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not happen in time`)), LIMIT);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for a condition of another program, which reports no change. */
export async function until(holds) {
  for (const end = Date.now() + LIMIT; !(await holds()); await pause(5)) {
    if (Date.now() > end) {
      throw new Error(`${holds} did not happen in time`);
    }
  }
}

/** A running bus; `start` uses the port of the first run again. */
export class Bus {
  port = "0";

  static async start(variables = {}) {
    const bus = new Bus();
    bus.variables = { BUS_KEY: KEY, USERS: "believed", LOG_LEVEL: "OFF", ...variables };
    await bus.start();
    return bus;
  }

  async start() {
    const env = { ...process.env, ...this.variables, SOCKET_IO_PORT: this.port };
    for (const name of Object.keys(env).filter((name) => env[name] === undefined)) {
      delete env[name];
    }
    this.program = spawn(process.env.SERVICE_BUS, { env, stdio: ["ignore", "pipe", "inherit"] });
    this.ended = once(this.program, "exit");
    const [line] = await soon(once(createInterface(this.program.stdout), "line"), "the start of the bus");
    this.url = line.replace("listening on ", "");
    this.port = new URL(this.url).port;
  }

  async end(signal = "SIGKILL") {
    this.program.kill(signal);
    await soon(this.ended, "the end of the bus");
  }
}

/** Values that arrive one after the other. */
export class Received {
  #values = [];
  #waiting = [];

  put = (value) => {
    const waiting = this.#waiting.shift();
    waiting ? waiting(value) : this.#values.push(value);
  };

  next() {
    const next = this.#values.length > 0 ? this.#values.shift() : new Promise((done) => this.#waiting.push(done));
    return soon(next, "the next event");
  }

  async take(count) {
    const taken = [];
    while (taken.length < count) {
      taken.push(await this.next());
    }
    return taken;
  }
}

/** A user with npm's client, and its events. */
export async function user(url, user_id) {
  const socket = io(url, { auth: { user_id }, transports: ["websocket"], reconnection: false, forceNew: true });
  const events = new Received();
  socket.onAny((name, event) => events.put([name, event]));
  await soon(new Promise((done) => socket.on("connect", done)), "the connection of a user");
  return [socket, events];
}

/** A test with a bus; what it opens is closed after it. */
export function withBus(name, run, variables) {
  test(name, async () => {
    const bus = await Bus.start(variables);
    const open = [];
    const service = (name, options) => {
      const service = new ServiceConnector(name, bus.url, {
        key: KEY,
        timeout: 10_000,
        reconnectionDelay: 10,
        ...options,
      });
      open.push(() => service.shutdown());
      return service;
    };
    const connected = async (name, options) => {
      const connector = service(name, options);
      assert.equal(await soon(connector.initialize()), LinkState.SOCKET);
      return connector;
    };
    const join = async (id) => {
      const [socket, events] = await user(bus.url, id);
      open.push(() => socket.close());
      return [socket, events];
    };
    try {
      await run({ bus, service, connected, join });
    } finally {
      for (const close of open) {
        await close();
      }
      await bus.end();
    }
  });
}
