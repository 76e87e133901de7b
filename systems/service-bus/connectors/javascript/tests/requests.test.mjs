// Requests between services, and events that are kept for a service that is away.
import assert from "node:assert/strict";
import { LinkState, RequestFailed } from "service-bus-connector";
import { Received, soon, withBus } from "./bus.mjs";

withBus("requests are answered over both ways", async ({ connected, service }) => {
  const stock = await connected("stock");
  stock.onRequest("count", async ({ item, source }) => {
    if (item !== "pear") {
      throw new Error("no such item");
    }
    return { count: 3, source };
  });
  stock.onRequest("slow", () => new Promise(() => {}));
  const blocked = service("blocked", { path: "/blocked/", timeout: 2_000 });
  assert.equal(await soon(blocked.initialize()), LinkState.HTTP);
  for (const asking of [await connected("shop"), blocked]) {
    assert.deepEqual(await asking.request("stock", "count", { item: "pear" }), { count: 3, source: asking.name });
    const failed = (code) => (error) => error instanceof RequestFailed && error.code === code;
    await assert.rejects(asking.request("stock", "count", { item: "plum" }), failed("refused"));
    await assert.rejects(asking.request("stock", "other"), failed("refused"));
    await assert.rejects(asking.request("moon", "count"), failed("no_service"));
    await assert.rejects(asking.request("stock", "slow", {}, { timeout: 1 }), failed("timeout"));
  }
});

withBus("events are kept for a service that is away", async ({ bus, connected }) => {
  const shop = await connected("shop");
  const subscribe = async () => {
    const stock = await connected("stock");
    const events = new Received();
    const dropped = new Received();
    stock.onDropped(dropped.put);
    await stock.subscribe("orders", ["order"], events.put);
    return [stock, events, dropped];
  };
  const [first] = await subscribe();
  await first.shutdown();
  await shop.emitToService("stock", "order", { n: 1 });
  await shop.publish("order", { n: 2 });
  const [, events, dropped] = await subscribe();
  assert.deepEqual([(await events.next()).n, (await events.next()).n], [1, 2]);
  await bus.end();
  await bus.start();
  assert.deepEqual(await dropped.next(), { subscription: "orders", count: undefined });
});
