// Runs the case in the query of the page with the official client, and reports the results to the test.

const query = new URLSearchParams(location.search);
const options = JSON.parse(query.get("options"));

// Tells the test something. What the test answers comes back, when it does.
async function tell(what, value = null) {
  const told = new URLSearchParams({ told: JSON.stringify([what, value]) });
  const response = await fetch(`${query.get("stand")}?${told}`);
  return response.json();
}

// Loads a script of the bundle, as pages do that serve it.
async function load(script) {
  const address = `/socket.io/${script}`;
  if (script.includes(".esm.")) return (await import(address)).io;
  const element = document.createElement("script");
  element.src = address;
  const loaded = new Promise((resolve, reject) => {
    element.onload = resolve;
    element.onerror = () => reject(new Error(`${address} did not load`));
  });
  document.head.append(element);
  await loaded;
  return window.io;
}

function equal(actual, expected) {
  const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (found !== wanted) throw new Error(`${found} is not ${wanted}`);
}

function next(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}

function ask(socket, ...args) {
  return new Promise((resolve) => socket.emit(...args, (...answer) => resolve(answer)));
}

function range(length) {
  return [...Array(length).keys()];
}

function bytes(value) {
  if (!(value instanceof ArrayBuffer)) throw new Error(`${value} is no ArrayBuffer`);
  return [...new Uint8Array(value)];
}

// Resolves once the engine is on the transport that it should end up with.
async function settled(socket, transport) {
  const { engine } = socket.io;
  if (engine.transport.name !== transport) await next(engine, "upgrade");
  equal(engine.transport.name, transport);
}

const cases = {
  // Each script of the bundle loads and works.
  async script(io) {
    const socket = io(options);
    equal(await ask(socket, "echo", "é€😀", { a: [1, null] }), ["é€😀", { a: [1, null] }]);
    const { href } = new URL(`/socket.io/${query.get("script")}`, location);
    const [{ encodedBodySize, decodedBodySize }] = performance.getEntriesByName(href);
    await tell("loaded", { encodedBodySize, decodedBodySize });
  },

  // Events keep their order from polling over to WebSocket.
  async upgrade(io) {
    const socket = io(options);
    const numbers = [];
    let sent = 0;
    socket.on("number", (number) => numbers.push(number));
    await next(socket.io, "open");
    equal(socket.io.engine.transport.name, "polling");
    let upgraded = false;
    const upgrade = next(socket.io.engine, "upgrade").then(([transport]) => {
      upgraded = true;
      return transport.name;
    });
    while (!upgraded) {
      for (let burst = 0; burst < 10; burst++) socket.emit("number", sent++);
      await new Promise((resolve) => setTimeout(resolve));
    }
    equal(await upgrade, "websocket");
    for (let more = 0; more < 100; more++) socket.emit("number", sent++);
    await ask(socket, "echo");
    equal(numbers, range(sent));
    await tell("upgraded");
  },

  // One transport alone.
  async transport(io) {
    const socket = io(options);
    await next(socket, "connect");
    equal(socket.io.engine.transport.name, options.transports[0]);
    equal(await ask(socket, "echo", 1, "2", [3]), [1, "2", [3]]);
    await tell("connected", socket.id);
    equal(socket.io.engine.transport.name, options.transports[0]);
  },

  // What browsers have for bytes, at any depth, and bytes from the server.
  async binary(io) {
    const socket = io(options);
    const long = Uint8Array.from({ length: 300_000 }, (_, place) => place % 251);
    const pictured = next(socket, "picture");
    const [answer, rest] = await ask(socket, "upload", {
      text: "é€😀",
      buffer: long.buffer,
      view: long.subarray(250, 253),
      blob: new Blob(["é", long.subarray(0, 2)]),
      deep: [{ file: new File(["a file"], "a.txt") }, { file: new ArrayBuffer(0) }],
    });
    equal(bytes(answer), [...long]);
    equal(rest, "and more");
    const [picture] = await pictured;
    equal(picture.title, "é€😀");
    equal(picture.layers.map(bytes), [[], [0, 255], range(200)]);
  },

  // Both sides ask, and both answer.
  async acks(io) {
    const socket = io(options);
    socket.on("product", (a, b, answer) => answer(a * b));
    socket.on("reversed", (data, answer) => answer(new Uint8Array(data).reverse()));
    socket.on("several", (answer) => answer(1, "2", { three: 3 }));
    equal(await ask(socket, "sum", 1, 2), [3]);
    equal(await ask(socket, "nothing"), []);
    equal(await ask(socket, "echo", 1, "2", [3]), [1, "2", [3]]);
    const sums = await Promise.all(range(200).map((number) => socket.emitWithAck("sum", number, 1)));
    equal(sums, range(201).slice(1));
    await tell("ready");
    const unanswered = socket.timeout(100).emitWithAck("no handler");
    const [error] = await Promise.allSettled([unanswered]);
    equal(error.reason?.message, "operation has timed out");
  },

  // The server stops, and restarts on the same port.
  async restart(io) {
    const transport = options.transports.at(-1);
    const socket = io({ ...options, reconnectionDelay: 10, reconnectionDelayMax: 50 });
    await next(socket, "connect");
    await settled(socket, transport);
    const { id } = socket;
    // Recovery needs an offset, so the client must have received an event.
    const seen = next(socket, "number");
    socket.emit("number", 1);
    await seen;
    const disconnected = next(socket, "disconnect");
    await tell("connected");
    const [reason] = await disconnected;
    const reconnected = next(socket, "connect");
    // Kept until there is a server again.
    const sums = range(3).map((number) => socket.emitWithAck("sum", number, 1));
    await tell("disconnected", reason);
    await reconnected;
    equal([!socket.recovered, socket.id !== id], [true, true]);
    equal(await Promise.all(sums), [1, 2, 3]);
    await settled(socket, transport);
    await tell("reconnected", socket.id);
  },

  // The connection breaks, on one side and then on the other, and events are missed.
  async recovery(io) {
    const socket = io({ ...options, reconnectionDelay: 10 });
    const heard = [];
    // The last argument is the offset.
    socket.on("news", (news) => heard.push(typeof news === "string" ? news : bytes(news)));
    await next(socket, "connect");
    await settled(socket, "websocket");
    const { id } = socket;
    const first = next(socket, "news");
    await tell("connected", id);
    await first;

    const disconnected = next(socket, "disconnect");
    const closed = next(socket.io, "close");
    socket.io.reconnection(false);
    socket.io.engine.close();
    await Promise.all([disconnected, closed]);
    await tell("away");
    socket.io.reconnection(true);
    socket.connect();
    await next(socket, "connect");
    equal([socket.recovered, socket.id === id], [true, true]);
    equal(await ask(socket, "echo"), []);
    equal(heard, ["first", "for the room", [0, 255], "for all"]);

    await settled(socket, "websocket");
    const again = next(socket, "connect");
    await tell("back");
    await again;
    equal([socket.recovered, socket.id === id], [true, true]);
    equal(await ask(socket, "echo"), []);
    equal(heard.slice(4), range(20).map(String));
  },

  // From a page of another origin, where the browser enforces CORS.
  async stranger(io) {
    const open = io(query.get("open"), {
      ...options,
      withCredentials: true,
      extraHeaders: { "x-token": "a preflight is needed" },
    });
    equal(await ask(open, "echo", 1), [1]);
    await settled(open, "websocket");
    equal(await ask(open, "echo", 2), [2]);
    const closed = io(query.get("closed"), { transports: ["polling"], reconnection: false });
    const [error] = await next(closed, "connect_error");
    equal(error.message, "xhr poll error");
  },
};

try {
  const io = await load(query.get("script"));
  await cases[query.get("case")](io);
  await tell("done");
} catch (error) {
  await tell("error", String(error?.stack ?? error).slice(0, 2000));
}
