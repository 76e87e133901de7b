// The connector with a bus, users and other services.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { test } from "node:test";
import {
  ConnectorError,
  Denied,
  EventType,
  HttpFailed,
  LinkState,
  NotConnected,
  Refused,
  ServiceConnector,
  Unanswered,
} from "service-bus-connector";
import { Bus, KEY, Received, soon, until, user, withBus } from "./bus.mjs";

const numbers = (count) => Array.from({ length: count }, (_, n) => n);

function heard(connector, type) {
  const events = new Received();
  connector.onEvent(type, events.put);
  return events;
}

withBus(
  "the snippets of the documents run as they are",
  async ({ bus, join }) => {
    const [, events] = await join("user123");
    const documents = ["../README.md", "../../../README.md"].map((path) => new URL(path, import.meta.url));
    const texts = await Promise.all(documents.map((path) => readFile(path, "utf8")));
    const codes = texts.flatMap((text) => text.split("```js\n").slice(1).map((block) => block.split("```")[0]));
    assert.equal(codes.length, 2);
    for (const [number, code] of codes.entries()) {
      // A module of this package, which finds the package by its name.
      const file = new URL(`snippet-${process.pid}-${number}.mjs`, import.meta.url);
      await writeFile(file, code.replaceAll("http://localhost:8000", bus.url));
      try {
        await soon(import(file), "the end of a snippet");
      } finally {
        await rm(file);
      }
      const [name, event] = await events.next();
      assert.deepEqual([name, event.content, event.source], [EventType.CHAT_MESSAGE, "Hello, world!", "chat"]);
    }
  },
  { BUS_KEY: undefined },
);

withBus("two services exchange events", async ({ connected }) => {
  const [chat, mail] = [await connected("chat"), await connected("mail")];
  const events = heard(mail, "mail:send");
  const forwarded = heard(mail, EventType.CHAT_MESSAGE);
  const forward = chat.onEvent(EventType.CHAT_MESSAGE, async (event) => {
    await chat.emitToRoom("service:mail", event, { forwarded: true });
    await chat.emitToRoom("service:mail", { ...event, type: "mail:send" });
  });
  assert.equal(await mail.emitToRoom("service:chat", EventType.CHAT_MESSAGE, { content: "hi" }), 1);
  const event = await events.next();
  assert.deepEqual([event.type, event.source, event.content], ["mail:send", "chat", "hi"]);
  assert.ok(event.timestamp > 1.6e9);
  assert.ok((await forwarded.next()).forwarded);
  assert.ok(chat.off(EventType.CHAT_MESSAGE, forward));
  assert.ok(!chat.off(EventType.CHAT_MESSAGE));
  const said = heard(chat, EventType.SYSTEM_INFO);
  mail.say(EventType.SYSTEM_INFO, { n: 1 });
  assert.equal((await said.next()).n, 1);
  const updates = heard(chat, EventType.PRESENCE_UPDATE);
  chat.say(EventType.PRESENCE_QUERY, { user_id: "user123" });
  const update = await updates.next();
  assert.deepEqual([update.source, update.online], ["bus", false]);
  assert.equal(await chat.broadcast(EventType.SYSTEM_INFO), 2);
  await assert.rejects(
    chat.emitToClient("unknown", EventType.SYSTEM_INFO),
    (error) => error instanceof Refused && error.message === "there is no such client",
  );
});

withBus("users receive events and are announced", async ({ connected, join }) => {
  const chat = await connected("chat");
  const [connects, disconnects] = [EventType.USER_CONNECTED, EventType.USER_DISCONNECTED].map((type) =>
    heard(chat, type),
  );
  const messages = heard(chat, EventType.CHAT_MESSAGE);
  const [ada, received] = await join("ada");
  assert.equal((await connects.next()).user_id, "ada");
  ada.emit("chat:message", { content: "hi" });
  assert.equal((await messages.next()).user_id, "ada");
  assert.equal(await chat.emitToUser("ada", EventType.NOTIFICATION, { n: 1 }), 1);
  assert.equal(await chat.emitToClient(ada.id, EventType.NOTIFICATION, { n: 2 }), 1);
  await chat.joinClient(ada.id, "letters");
  assert.equal(await chat.emitToRoom("letters", EventType.NOTIFICATION, { n: 3 }), 1);
  await chat.leaveClient(ada.id, "letters");
  assert.equal(await chat.emitToRoom("letters", EventType.NOTIFICATION, { n: 4 }), 0);
  assert.deepEqual((await received.take(3)).map(([, event]) => event.n), [1, 2, 3]);
  ada.close();
  assert.equal((await disconnects.next()).user_id, "ada");
});

withBus("rooms of a service", async ({ connected }) => {
  const [one, two] = [await connected("one"), await connected("two")];
  const events = heard(two, "order:paid");
  await two.join("orders");
  assert.equal(await one.emitToRoom("orders", "order:paid", { order: 7 }), 1);
  assert.equal((await events.next()).order, 7);
  await two.leave("orders");
  assert.equal(await one.emitToRoom("orders", "order:paid"), 0);
  await assert.rejects(two.join(""), Refused);
});

withBus("binary data in both directions", async ({ connected, service }) => {
  const [one, two] = [await connected("one"), await connected("two")];
  const events = heard(two, "file");
  const files = [Buffer.from(numbers(256)), Buffer.alloc(0)];
  await Promise.all(numbers(20).map((n) => one.emitToRoom("service:two", "file", { n, files })));
  const received = await events.take(20);
  assert.deepEqual(received.map(({ n, files }) => ({ n, files })), numbers(20).map((n) => ({ n, files })));
  const blocked = service("blocked", { path: "/blocked/", timeout: 2_000 });
  assert.equal(await soon(blocked.initialize()), LinkState.HTTP);
  await assert.rejects(blocked.emitToRoom("service:two", "file", { files }), /no binary data/);
});

withBus("HTTP is used without a connection", async ({ connected, service }) => {
  const listener = await connected("listener");
  const events = heard(listener, EventType.NOTIFICATION);
  const blocked = service("blocked", { path: "/blocked/", timeout: 2_000 });
  assert.equal(await soon(blocked.initialize()), LinkState.HTTP);
  assert.equal(await blocked.emitToRoom("service:listener", EventType.NOTIFICATION, { n: 1 }), 1);
  const event = await events.next();
  assert.deepEqual([event.source, event.n], ["blocked", 1]);
  assert.equal(await blocked.broadcast(EventType.SYSTEM_INFO), 1);
  await assert.rejects(blocked.join("letters"), NotConnected);
  await assert.rejects(
    blocked.emitToClient("unknown", EventType.SYSTEM_INFO),
    (error) => error instanceof HttpFailed && error.status === 404,
  );
  for (const n of numbers(1_000)) {
    blocked.say(EventType.SYSTEM_INFO, { n });
  }
  assert.throws(() => blocked.say(EventType.SYSTEM_INFO), NotConnected);
});

for (const signal of ["SIGKILL", "SIGTERM"]) {
  withBus(`a bus that is restarted after ${signal}`, async ({ bus, connected }) => {
    const [one, two] = [await connected("one"), await connected("two")];
    const events = heard(two, EventType.SYSTEM_INFO);
    const typing = heard(two, EventType.CHAT_TYPING);
    await two.join("letters");
    await bus.end(signal);
    await until(() => one.link !== LinkState.SOCKET && two.link !== LinkState.SOCKET);
    await assert.rejects(
      one.broadcast(EventType.SYSTEM_INFO),
      (error) => error instanceof HttpFailed && error.status === undefined,
    );
    await assert.rejects(two.join("more letters"), NotConnected);
    await bus.start();
    // Over HTTP, until the connection is back.
    await until(async () => {
      const rooms = ["letters", "more letters"];
      const reached = await Promise.all(rooms.map((room) => one.emitToRoom(room, EventType.SYSTEM_INFO)));
      return reached.join() === "1,1";
    });
    assert.equal((await events.next()).source, "one");
    await until(() => one.link === LinkState.SOCKET);
    one.say(EventType.CHAT_TYPING);
    assert.equal((await typing.next()).source, "one");
  });
}

test("a connection that the server ends is restored", async () => {
  // Engine.IO by polling. The first message of a session, which connects, is answered by a connect and a disconnect.
  const connects = new Received();
  const sessions = [];
  const server = createServer((request, response) => {
    const sid = new URL(request.url, "http://bus").searchParams.get("sid");
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text) => (body += text));
    request.on("end", () => {
      if (sid === null) {
        const limits = { pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1_000_000 };
        const opened = String(sessions.push(new Received()) - 1);
        return response.end(`0${JSON.stringify({ sid: opened, upgrades: [], ...limits })}`);
      }
      if (request.method === "GET") {
        return sessions[sid].next().then((packets) => response.end(packets), () => response.destroy());
      }
      if (body.startsWith("40")) {
        connects.put(body.slice(2));
        sessions[sid].put(`40{"sid":"x"}\x1e41`);
      }
      response.end("ok");
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${server.address().port}`;
  const one = new ServiceConnector("one", url, { key: KEY, reconnectionDelay: 10 });
  const initialized = one.initialize();
  try {
    for (let connect = 0; connect < 3; connect += 1) {
      assert.deepEqual(JSON.parse(await connects.next()), { service: "one", key: KEY });
    }
  } finally {
    await soon(initialized.catch(() => {}));
    await one.shutdown();
    server.closeAllConnections();
    server.close();
  }
});

withBus("HTTP works while the connection is not back", async ({ bus, connected }) => {
  const slow = await connected("slow", { reconnectionDelay: 600_000 });
  await bus.end();
  await until(() => slow.link === LinkState.HTTP);
  await bus.start();
  const listener = await connected("listener");
  const events = heard(listener, EventType.NOTIFICATION);
  assert.equal(await slow.emitToRoom("services", EventType.NOTIFICATION), 1);
  assert.equal((await events.next()).source, "slow");
});

withBus("events that were said without a connection are sent", async ({ service, connected }) => {
  const early = service("early");
  const events = heard(await connected("listener"), EventType.CHAT_TYPING);
  for (const n of numbers(10)) {
    early.say(EventType.CHAT_TYPING, { n });
  }
  await soon(early.initialize());
  assert.deepEqual((await events.take(10)).map(({ n }) => n), numbers(10));
});

withBus("a wrong key is final", async ({ service }) => {
  for (const [path, why] of [
    ["/socket.io/", "not a service"],
    ["/blocked/", "the key of services is missing or wrong"],
  ]) {
    const stranger = service("stranger", { key: "guess", path, timeout: 2_000 });
    const isDenied = (error) => error instanceof Denied && error.message === why;
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await assert.rejects(soon(stranger.initialize()), isDenied);
      assert.equal(stranger.link, LinkState.REFUSED);
      await assert.rejects(stranger.broadcast("x"), isDenied);
      await assert.rejects(stranger.join("x"), isDenied);
      assert.throws(() => stranger.say("x"), isDenied);
    }
  }
});

withBus("another key after a restart is final", async ({ bus, connected }) => {
  const one = await connected("one");
  await bus.end();
  bus.variables.BUS_KEY = "another key";
  await bus.start();
  await until(() => one.link === LinkState.REFUSED);
  await assert.rejects(one.broadcast(EventType.SYSTEM_INFO), Denied);
});

withBus("a command without an answer", async ({ bus, connected }) => {
  const one = await connected("one");
  const asked = numbers(100).map(() => one.broadcast(EventType.SYSTEM_INFO));
  bus.program.kill("SIGKILL");
  for (const { value, reason } of await soon(Promise.allSettled(asked))) {
    assert.ok(typeof value === "number" || reason instanceof Unanswered, reason);
  }
});

withBus("a shutdown loses nothing", async ({ connected }) => {
  const listener = await connected("listener");
  const [events, said] = [EventType.NOTIFICATION, EventType.CHAT_TYPING].map((type) => heard(listener, type));
  const one = await connected("one");
  const asked = numbers(1_000).map((n) => one.emitToRoom("service:listener", EventType.NOTIFICATION, { n }));
  for (const n of numbers(1_000)) {
    one.say(EventType.CHAT_TYPING, { n });
  }
  await soon(one.shutdown());
  assert.deepEqual(await soon(Promise.all(asked)), numbers(1_000).fill(1));
  for (const received of [events, said]) {
    assert.deepEqual((await received.take(1_000)).map(({ n }) => n), numbers(1_000));
  }
  assert.equal(one.link, LinkState.HTTP);
  assert.equal(await one.emitToRoom("service:listener", EventType.NOTIFICATION), 1);
  // And it can be used again; events without an acknowledgement are written too.
  assert.equal(await soon(one.initialize()), LinkState.SOCKET);
  for (const n of numbers(1_000)) {
    one.say(EventType.CHAT_TYPING, { n });
  }
  await soon(one.shutdown());
  assert.deepEqual((await said.take(1_000)).map(({ n }) => n), numbers(1_000));
});

withBus("a process may end after the shutdown", async ({ bus, connected }) => {
  const said = heard(await connected("listener"), EventType.CHAT_TYPING);
  const code = `
    import { ServiceConnector } from "service-bus-connector";
    const one = new ServiceConnector("one", "${bus.url}", { key: "${KEY}" });
    await one.initialize();
    for (let n = 0; n < 1_000; n += 1) {
      one.say("chat:typing", { n, text: "x".repeat(10_000) });
    }
    await one.shutdown();
    process.exit(0);`;
  const cwd = new URL("..", import.meta.url);
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { cwd, stdio: "inherit" });
  const ended = once(child, "exit");
  assert.deepEqual((await said.take(1_000)).map(({ n }) => n), numbers(1_000));
  assert.deepEqual(await soon(ended), [0, null]);
});

withBus("handlers begin in the order of the events", async ({ connected }) => {
  const [one, two] = [await connected("one"), await connected("two")];
  const begun = [];
  const last = new Received();
  let release;
  const released = new Promise((done) => (release = done));
  const error = console.error;
  let errors = 0;
  console.error = () => (errors += 1);
  two.onEvent("count", async ({ n }) => {
    begun.push([n, "async"]);
    await released;
    throw new Error("an error of a handler ends no other");
  });
  two.onEvent("count", ({ n }) => {
    begun.push([n, "plain"]);
    if (n === 999) {
      last.put();
    }
    throw new Error("an error of a handler ends no other");
  });
  try {
    await Promise.all(numbers(1_000).map((n) => one.emitToRoom("service:two", "count", { n })));
    await last.next();
    assert.deepEqual(begun, numbers(1_000).flatMap((n) => [[n, "async"], [n, "plain"]]));
    assert.equal(errors, 1_000);
    release();
    await until(() => errors === 2_000);
  } finally {
    console.error = error;
  }
});

test("wrong URLs and keys", () => {
  for (const url of ["ws://localhost", "localhost:8000", "http://", "https://"]) {
    assert.throws(() => new ServiceConnector("x", url), ConnectorError);
  }
  assert.throws(() => new ServiceConnector("x", "http://localhost", { key: "line\nbreak" }), ConnectorError);
});

withBus("a bus that is not there", async ({ bus, service }) => {
  await bus.end();
  const early = service("early");
  await assert.rejects(soon(early.initialize()), HttpFailed);
  await bus.start();
  await until(() => early.link === LinkState.SOCKET);
});
