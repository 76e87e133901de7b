"""Requests between services, and events that are kept for a service that is away."""

import asyncio

from bus import BusTests, soon

from service_bus import LinkState, RequestFailed


class RequestTests(BusTests):
    async def test_requests_are_answered_over_both_ways(self):
        bus = self.bus()
        stock = await self.connected("stock", bus)

        async def count(event):
            if event.get("item") != "pear":
                raise ValueError("no such item")
            return {"count": 3, "source": event.source}

        stock.on_request("count", count)
        stock.on_request("slow", lambda _: asyncio.get_running_loop().create_future())
        blocked = self.service("blocked", bus, path="/blocked/", timeout=2)
        self.assertEqual(await soon(blocked.initialize()), LinkState.HTTP)
        for asking in (await self.connected("shop", bus), blocked):
            answer = await asking.request("stock", "count", item="pear")
            self.assertEqual(answer, {"count": 3, "source": asking.name})
            for service, kind, timeout, code in (
                ("stock", "count", 5, "refused"),
                ("stock", "other", 5, "refused"),
                ("moon", "count", 5, "no_service"),
                ("stock", "slow", 0.001, "timeout"),
            ):
                with self.assertRaises(RequestFailed) as caught:
                    await asking.request(service, kind, timeout=timeout)
                self.assertEqual(caught.exception.code, code)

    async def test_events_are_kept_for_a_service_that_is_away(self):
        bus = self.bus()
        shop = await self.connected("shop", bus)

        async def subscribe():
            stock, events, dropped = await self.connected("stock", bus), asyncio.Queue(), asyncio.Queue()
            stock.on_dropped(lambda *arguments: dropped.put_nowait(arguments))
            await stock.subscribe("orders", ["order"], events.put)
            return stock, events, dropped

        first, _, _ = await subscribe()
        await first.shutdown()
        await shop.emit_to_service("stock", "order", n=1)
        await shop.publish("order", n=2)
        _, events, dropped = await subscribe()
        self.assertEqual([(await soon(events.get()))["n"] for _ in range(2)], [1, 2])
        await asyncio.to_thread(bus.kill)
        bus.program.stdout.close()
        bus.start()
        self.assertEqual(await soon(dropped.get()), ("orders", None))
