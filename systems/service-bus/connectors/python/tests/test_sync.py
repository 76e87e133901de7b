"""The connector for threads."""

import threading
import unittest

from bus import KEY, LIMIT, OPTIONS, Bus, Received

from service_bus import Denied, NotConnected
from service_bus.sync import EventType, LinkState, ServiceConnector


class SyncTests(unittest.TestCase):
    def setUp(self):
        self.bus = Bus()
        self.addCleanup(self.bus.end)

    def service(self, name, **options):
        connector = ServiceConnector(name, self.bus.url, **{"key": KEY, **OPTIONS, **options})
        self.addCleanup(connector.shutdown)
        return connector

    def test_two_services_exchange_events(self):
        one, two = self.service("one"), self.service("two")
        events, back = Received(), Received()

        @two.on_event(EventType.CHAT_MESSAGE)
        def answer(event):
            events.put(event)
            # A command in a handler, which waits for its answer.
            two.emit_to_room("service:one", EventType.CHAT_READ, n=event["n"])

        one.on_event(EventType.CHAT_READ, back.put)
        for connector in (one, two):
            self.assertEqual(connector.initialize(), LinkState.SOCKET)
        for n in range(100):
            self.assertEqual(one.emit_to_user("user123", EventType.CHAT_MESSAGE), 0)
            self.assertEqual(one.emit_to_room("service:two", EventType.CHAT_MESSAGE, n=n), 1)
        self.assertEqual([events.soon()["n"] for _ in range(100)], list(range(100)))
        self.assertEqual([back.soon()["n"] for _ in range(100)], list(range(100)))
        self.assertTrue(two.off(EventType.CHAT_MESSAGE, answer))
        self.assertFalse(two.off(EventType.CHAT_MESSAGE))
        two.join("orders")
        two.on_event("order:paid", events.put)
        self.assertEqual(one.emit_to_room("orders", "order:paid", receipt=b"\0\1"), 1)
        self.assertEqual(events.soon()["receipt"], b"\0\1")
        two.leave("orders")
        self.assertEqual(one.emit_to_room("orders", "order:paid"), 0)
        self.assertEqual(one.broadcast(EventType.SYSTEM_INFO), 2)
        with self.assertRaises(TypeError):

            @one.on_event("x")
            async def handler(event):
                pass

    def test_a_shutdown_loses_nothing(self):
        one, two = self.service("one"), self.service("two")
        handled = []
        two.on_event(EventType.CHAT_TYPING, lambda event: handled.append(event["n"]))
        ended = threading.Event()

        @two.on_event(EventType.SYSTEM_INFO)
        def end(_):
            two.shutdown()
            ended.set()

        for connector in (one, two):
            connector.initialize()
        for n in range(1_000):
            one.say(EventType.CHAT_TYPING, n=n)
        one.say(EventType.SYSTEM_INFO)
        one.shutdown()
        self.assertTrue(ended.wait(LIMIT))
        self.assertEqual(handled, list(range(1_000)))
        self.assertEqual(one.broadcast(EventType.SYSTEM_INFO), 0)
        with self.assertRaises(NotConnected):
            one.join("letters")

    def test_a_wrong_key_is_reported(self):
        with self.assertRaises(Denied):
            self.service("stranger", key="guess").initialize()


if __name__ == "__main__":
    unittest.main()
