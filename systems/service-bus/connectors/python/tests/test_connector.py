"""The connector for asyncio with a bus, users and other services."""

import ast
import asyncio
import contextlib
import io
import unittest
from pathlib import Path

import socketio
from aiohttp import web
from bus import KEY, OPTIONS, BusTests, soon, until, user

from service_bus import (
    ConnectorError,
    Denied,
    EventType,
    HttpFailed,
    LinkState,
    NotConnected,
    Refused,
    ServiceConnector,
    Unanswered,
)

PACKAGE = Path(__file__).parent.parent


def snippets(readme):
    """The Python snippets of a document."""
    blocks = readme.read_text().split("```python\n")[1:]
    return [block.split("```")[0] for block in blocks]


class ConnectorTests(BusTests):
    async def user(self, *arguments):
        client, events = await user(*arguments)
        self.addAsyncCleanup(client.disconnect)
        return client, events

    @staticmethod
    def heard(connector, kind):
        events = asyncio.Queue()
        connector.on_event(kind, events.put_nowait)
        return events

    async def test_the_snippets_of_the_documents_run_as_they_are(self):
        bus = self.bus(BUS_KEY=None)
        _, events = await self.user(bus.url, "user123")
        documents = [PACKAGE / "README.md", PACKAGE.parent.parent / "README.md"]
        codes = [code for document in documents for code in snippets(document)]
        self.assertEqual(len(codes), 3)
        for code in codes:
            code = code.replace("http://localhost:8000", bus.url)
            if ".sync" in code:
                await soon(asyncio.to_thread(exec, code, {}))
                continue
            compiled = compile(code, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            await soon(eval(compiled, {}))
            name, event = await soon(events.get())
            self.assertEqual((name, event["content"], event["source"]), (event["type"], "Hello, world!", "chat"))

    async def test_handlers_print_what_the_document_says(self):
        bus = self.bus()
        chat, mail = await self.connected("chat", bus), await self.connected("mail", bus)
        done = asyncio.Event()

        async def handle_message(event):
            print(f"Received message: {event['content']}")
            done.set()

        chat.on_event(EventType.CHAT_MESSAGE, handle_message)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            await mail.emit_to_room("service:chat", EventType.CHAT_MESSAGE, content="Hello, world!")
            await soon(done.wait())
        self.assertEqual(printed.getvalue(), "Received message: Hello, world!\n")

    async def test_two_services_exchange_events(self):
        bus = self.bus()
        chat, mail = await self.connected("chat", bus), await self.connected("mail", bus)
        events = self.heard(mail, "mail:send")

        @chat.on_event(EventType.CHAT_MESSAGE)
        async def forward(event):
            await chat.emit_to_room("service:mail", event, forwarded=True)
            await chat.emit_to_room("service:mail", {**event, "type": "mail:send"})

        forwarded = self.heard(mail, EventType.CHAT_MESSAGE)
        self.assertEqual(await mail.emit_to_room("service:chat", EventType.CHAT_MESSAGE, content="hi"), 1)
        event = await soon(events.get())
        self.assertEqual((event.type, event.source, event["content"]), ("mail:send", "chat", "hi"))
        self.assertGreater(event.timestamp, 1.6e9)
        self.assertTrue((await soon(forwarded.get()))["forwarded"])
        self.assertTrue(chat.off(EventType.CHAT_MESSAGE, forward))
        self.assertFalse(chat.off(EventType.CHAT_MESSAGE))
        said = self.heard(chat, EventType.SYSTEM_INFO)
        await mail.say(EventType.SYSTEM_INFO, n=1)
        self.assertEqual((await soon(said.get()))["n"], 1)
        updates = self.heard(chat, EventType.PRESENCE_UPDATE)
        await chat.say(EventType.PRESENCE_QUERY, user_id="user123")
        update = await soon(updates.get())
        self.assertEqual((update.source, update["online"]), ("bus", False))
        self.assertEqual(await chat.broadcast(EventType.SYSTEM_INFO, n=2), 2)
        with self.assertRaisesRegex(Refused, "there is no such client"):
            await chat.emit_to_client("unknown", EventType.SYSTEM_INFO)

    async def test_users_receive_events_and_are_announced(self):
        bus = self.bus()
        chat = await self.connected("chat", bus)
        connects, disconnects = (
            self.heard(chat, kind) for kind in (EventType.USER_CONNECTED, EventType.USER_DISCONNECTED)
        )
        messages = self.heard(chat, EventType.CHAT_MESSAGE)
        ada, received = await self.user(bus.url, "ada")
        self.assertEqual((await soon(connects.get()))["user_id"], "ada")
        await ada.emit("chat:message", {"content": "hi"})
        self.assertEqual((await soon(messages.get()))["user_id"], "ada")
        self.assertEqual(await chat.emit_to_user("ada", EventType.NOTIFICATION, n=1), 1)
        client_id = ada.get_sid()
        self.assertEqual(await chat.emit_to_client(client_id, EventType.NOTIFICATION, n=2), 1)
        await chat.join_client(client_id, "letters")
        self.assertEqual(await chat.emit_to_room("letters", EventType.NOTIFICATION, n=3), 1)
        await chat.leave_client(client_id, "letters")
        self.assertEqual(await chat.emit_to_room("letters", EventType.NOTIFICATION, n=4), 0)
        self.assertEqual([(await soon(received.get()))[1]["n"] for _ in range(3)], [1, 2, 3])
        await ada.disconnect()
        self.assertEqual((await soon(disconnects.get()))["user_id"], "ada")

    async def test_rooms_of_a_service(self):
        bus = self.bus()
        one, two = await self.connected("one", bus), await self.connected("two", bus)
        events = self.heard(two, "order:paid")
        await two.join("orders")
        self.assertEqual(await one.emit_to_room("orders", "order:paid", order=7), 1)
        self.assertEqual((await soon(events.get()))["order"], 7)
        await two.leave("orders")
        self.assertEqual(await one.emit_to_room("orders", "order:paid", order=8), 0)
        with self.assertRaises(Refused):
            await two.join("")

    async def test_binary_data_in_both_directions(self):
        bus = self.bus()
        one, two = await self.connected("one", bus), await self.connected("two", bus)
        events = self.heard(two, "file")
        files = [bytes(range(256)), b""]
        # Packets of events with binary data that are sent at once are not mixed.
        await asyncio.gather(*(one.emit_to_room("service:two", "file", n=n, files=files) for n in range(20)))
        for n in range(20):
            event = await soon(events.get())
            self.assertEqual((event["n"], event["files"]), (n, files))
        blocked = self.service("blocked", bus, path="/blocked/", timeout=2)
        self.assertEqual(await soon(blocked.initialize()), LinkState.HTTP)
        with self.assertRaisesRegex(HttpFailed, "no binary data"):
            await blocked.emit_to_room("service:two", "file", files=files)

    async def test_http_is_used_without_a_connection(self):
        bus = self.bus()
        listener = await self.connected("listener", bus)
        events = self.heard(listener, EventType.NOTIFICATION)
        blocked = self.service("blocked", bus, path="/blocked/", timeout=2)
        self.assertEqual(await soon(blocked.initialize()), LinkState.HTTP)
        self.assertEqual(await blocked.emit_to_room("service:listener", EventType.NOTIFICATION, n=1), 1)
        event = await soon(events.get())
        self.assertEqual((event.source, event["n"]), ("blocked", 1))
        self.assertEqual(await blocked.broadcast(EventType.SYSTEM_INFO), 1)
        with self.assertRaises(NotConnected):
            await blocked.join("letters")
        with self.assertRaises(HttpFailed) as caught:
            await blocked.emit_to_client("unknown", EventType.SYSTEM_INFO)
        self.assertEqual(caught.exception.status, 404)
        for number in range(1_000):
            await blocked.say(EventType.SYSTEM_INFO, n=number)
        with self.assertRaisesRegex(NotConnected, "too many"):
            await blocked.say(EventType.SYSTEM_INFO)

    async def test_a_restarted_bus(self):
        bus = self.bus()
        for stop in (bus.kill, bus.stop):
            one, two = await self.connected("one", bus), await self.connected("two", bus)
            events = self.heard(two, EventType.SYSTEM_INFO)
            await two.join("letters")
            await asyncio.to_thread(stop)

            async def are_lost():
                return LinkState.SOCKET not in (one.link, two.link)

            await until(are_lost)
            with self.assertRaises(HttpFailed) as caught:
                await one.broadcast(EventType.SYSTEM_INFO)
            self.assertIsNone(caught.exception.status)
            # Kept until there is a connection.
            await one.say(EventType.CHAT_TYPING)
            with self.assertRaises(NotConnected):
                await two.join("more letters")
            bus.program.stdout.close()
            bus.start()

            async def are_joined():
                # Over HTTP, until the connection is back.
                reached = [await one.emit_to_room(room, EventType.SYSTEM_INFO) for room in ("letters", "more letters")]
                return reached == [1, 1]

            await until(are_joined)
            self.assertEqual((await soon(events.get())).source, "one")
            for connector in (one, two):
                await connector.shutdown()

    async def test_http_works_while_the_connection_is_not_back(self):
        bus = self.bus()
        slow = await self.connected("slow", bus, reconnection_delay=600)
        bus.kill()

        async def is_lost():
            return slow.link is LinkState.HTTP

        await until(is_lost)
        bus.program.stdout.close()
        bus.start()
        listener = await self.connected("listener", bus)
        events = self.heard(listener, EventType.NOTIFICATION)
        self.assertEqual(await slow.emit_to_room("services", EventType.NOTIFICATION), 1)
        self.assertEqual((await soon(events.get())).source, "slow")

    async def test_a_wrong_key_is_final(self):
        bus = self.bus()
        for path, why in (("/socket.io/", "not a service"), ("/blocked/", "the key of services is missing or wrong")):
            stranger = self.service("stranger", bus, key="guess", path=path, timeout=2)
            for _ in range(2):
                with self.assertRaisesRegex(Denied, why):
                    await soon(stranger.initialize())
                self.assertIs(stranger.link, LinkState.REFUSED)
                for command in (stranger.broadcast("x"), stranger.join("x"), stranger.say("x")):
                    with self.assertRaisesRegex(Denied, why):
                        await command

    async def test_another_key_after_a_restart_is_final(self):
        bus = self.bus()
        one = await self.connected("one", bus)
        bus.kill()
        bus.program.stdout.close()
        bus.variables["BUS_KEY"] = "another key"
        bus.start()

        async def is_refused():
            return one.link is LinkState.REFUSED

        await until(is_refused)
        with self.assertRaisesRegex(Denied, "not a service"):
            await one.broadcast(EventType.SYSTEM_INFO)

    async def test_a_connection_that_the_server_ends_is_restored(self):
        server = socketio.AsyncServer(async_mode="aiohttp")
        connects = asyncio.Queue()
        server.on("connect", lambda sid, environ, auth: connects.put_nowait((sid, auth)))
        application = web.Application()
        server.attach(application)
        runner = web.AppRunner(application)
        await runner.setup()
        self.addAsyncCleanup(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        one = ServiceConnector("one", f"http://127.0.0.1:{runner.addresses[0][1]}", KEY, **OPTIONS)
        self.addAsyncCleanup(one.shutdown)
        await soon(one.initialize())
        for _ in range(2):
            sid, auth = await soon(connects.get())
            self.assertEqual(auth, {"service": "one", "key": KEY})
            await server.disconnect(sid)

    async def test_a_command_without_an_answer(self):
        bus = self.bus()
        one = await self.connected("one", bus)
        # Commands in flight when the bus ends.
        asked = [asyncio.create_task(one.broadcast(EventType.SYSTEM_INFO)) for _ in range(100)]
        await asyncio.sleep(0)
        bus.kill()
        for done in await soon(asyncio.gather(*asked, return_exceptions=True)):
            self.assertIsInstance(done, (int, Unanswered))

    async def test_a_shutdown_loses_nothing(self):
        bus = self.bus()
        listener = await self.connected("listener", bus)
        events = self.heard(listener, EventType.NOTIFICATION)
        heard = self.heard(listener, EventType.CHAT_TYPING)
        one = await self.connected("one", bus)
        asked = [
            asyncio.create_task(one.emit_to_room("service:listener", EventType.NOTIFICATION, n=n))
            for n in range(1_000)
        ]
        await asyncio.sleep(0)
        for n in range(1_000):
            await one.say(EventType.CHAT_TYPING, n=n)
        await soon(one.shutdown())
        self.assertEqual(await soon(asyncio.gather(*asked)), [1] * 1_000)
        for queue in (events, heard):
            self.assertEqual([(await soon(queue.get()))["n"] for _ in range(1_000)], list(range(1_000)))
        self.assertIs(one.link, LinkState.HTTP)
        self.assertEqual(await one.emit_to_room("service:listener", EventType.NOTIFICATION), 1)
        # And it can be used again; events without an acknowledgement are written too.
        self.assertEqual(await soon(one.initialize()), LinkState.SOCKET)
        for n in range(1_000):
            # More than the buffers of a connection hold.
            await one.say(EventType.CHAT_TYPING, n=n, text="x" * 10_000)
        await soon(one.shutdown())
        self.assertEqual([(await soon(heard.get()))["n"] for _ in range(1_000)], list(range(1_000)))

    async def test_handlers_begin_in_the_order_of_the_events(self):
        bus = self.bus()
        one, two = await self.connected("one", bus), await self.connected("two", bus)
        begun, done, release = [], asyncio.Event(), asyncio.Event()

        @two.on_event("count")
        async def first(event):
            begun.append((event["n"], "async"))
            await release.wait()

        @two.on_event("count")
        def second(event):
            begun.append((event["n"], "plain"))
            if event["n"] == 999:
                done.set()
            raise ValueError("an error of a handler ends no other")

        with self.assertLogs("service_bus", "ERROR") as logged:
            await asyncio.gather(*(one.emit_to_room("service:two", "count", n=n) for n in range(1_000)))
            await soon(done.wait())
        self.assertEqual(begun, [(n, kind) for n in range(1_000) for kind in ("async", "plain")])
        self.assertEqual(len(logged.records), 1_000)
        release.set()

    async def test_wrong_urls_and_keys(self):
        for url in ("ws://localhost", "localhost:8000", "http://", "https://"):
            with self.assertRaises(ConnectorError):
                ServiceConnector("x", url)
        with self.assertRaises(ConnectorError):
            ServiceConnector("x", "http://localhost", "line\nbreak")

    async def test_a_bus_that_is_not_there(self):
        bus = self.bus()
        bus.kill()
        early = self.service("early", bus)
        with self.assertRaises(HttpFailed):
            await soon(early.initialize())
        bus.program.stdout.close()
        bus.start()

        async def is_there():
            return early.link is LinkState.SOCKET

        await until(is_there)


if __name__ == "__main__":
    unittest.main()
