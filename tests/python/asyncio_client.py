"""python-socketio's asyncio client goes through what applications do, against our server.

    asyncio_client.py URL TRANSPORTS [msgpack]

The names of the visitors are those that the server writes down when they leave.
"""

import asyncio
import sys

import engineio
import socketio

URL, TRANSPORTS = sys.argv[1], sys.argv[2].split(",")
SERIALIZER = sys.argv[3] if len(sys.argv) > 3 else "default"
LIMIT = 20
QUICK = {"reconnection_delay": 0.01, "reconnection_delay_max": 0.05, "randomization_factor": 0}
# What a server may send at once over polling; the client would close after 16.
engineio.payload.Payload.max_decode_packets = 1000
REASONS = socketio.AsyncClient.reason
# What the client calls a connection that the server closes. Over polling the server says so to the waiting request,
# and this client then does not come back by itself.
CLOSED = REASONS.TRANSPORT_ERROR if "websocket" in TRANSPORTS else REASONS.SERVER_DISCONNECT


class Client(socketio.AsyncClient):
    def __init__(self, **options):
        super().__init__(**{"reconnection": False, "handle_sigint": False, "serializer": SERIALIZER} | options)

    async def connect(self, url, **options):
        """Also when it reconnects, it would else wait for one second only, which a busy machine may need."""
        await super().connect(url, **options | {"wait_timeout": LIMIT})

    async def join(self, name, *namespaces, token="good"):
        auth = {"token": token, "name": name}
        await self.connect(URL, auth=auth, transports=TRANSPORTS, namespaces=list(namespaces))

    async def ask(self, event, data=None, namespace="/chat"):
        """The answer to an event: nothing, one argument, or a tuple of them."""
        try:
            return await self.call(event, data, namespace=namespace, timeout=LIMIT)
        except socketio.exceptions.TimeoutError:
            raise AssertionError(f"an answer to {event!r} did not come") from None

    def hear(self, event, namespace="/chat"):
        """The arguments of each event of this name that comes from now on."""
        came = asyncio.Queue()
        self.on(event, lambda *args: came.put_nowait(args), namespace=namespace)
        return came


async def soon(what, heard):
    try:
        return await asyncio.wait_for(heard.get(), LIMIT)
    except asyncio.TimeoutError:
        raise AssertionError(f"{what} did not come") from None


async def refusal(namespace, token):
    client = Client()
    heard = client.hear("connect_error", namespace)
    try:
        await client.join("nobody", namespace, token=token)
    except socketio.exceptions.ConnectionError:
        return (await soon("the error", heard))[0]
    raise AssertionError("nobody was let in")


async def come_in():
    """Refused with data and without, then let in."""
    assert await refusal("/chat", "bad") == {"message": "not allowed", "data": {"code": 7}}
    assert await refusal("/nowhere", "good") == {"message": "Invalid namespace"}
    ada, bob = Client(), Client()
    await ada.join("ada", "/chat")
    await bob.join("bob", "/chat")
    assert await ada.ask("who am I") == (ada.get_sid("/chat"), ada.sid)
    assert await ada.ask("credentials") == {"token": "good", "name": "ada"}
    assert ada.get_sid("/chat") != bob.get_sid("/chat")
    assert ada.transport() == TRANSPORTS[-1]
    return ada, bob


async def talk(ada):
    """Events with answers and without: text, nothing, several, binary at any depth."""
    assert await ada.ask("echo", (1, "2", {"3": [True, None]})) == (1, "2", {"3": [True, None]})
    assert await ada.ask("echo") is None
    nested = {"a": [b"\1\2"], "b": b"", "c": "é€😀"}
    assert await ada.ask("echo", nested) == nested
    echoed = ada.hear("echoed")
    for args in [("a", 1), (b"\7\x08\x09", "b"), ()]:
        await ada.emit("echo", args, namespace="/chat")
        assert await soon("echoed", echoed) == args


async def answer(ada, bob):
    """The server asks one, for text and for bytes, and then everybody in a room."""
    ada.on("question", lambda a, b: a + b, namespace="/chat")
    ada.on("reverse", lambda data: data[::-1], namespace="/chat")
    assert await ada.ask("ask me") == 42
    assert await ada.ask("ask me for bytes") == b"\3\2\1"
    for client in [ada, bob]:
        assert await client.ask("join", "lobby") is None
    said = bob.hear("said")
    message = {"text": "hello", "picture": b"png"}
    await ada.emit("say", ("lobby", message), namespace="/chat")
    assert await soon("said", said) == (message,)
    ada.on("vote", lambda ballot: ["ada", ballot], namespace="/chat")
    bob.on("vote", lambda ballot: ["bob", ballot[::-1]], namespace="/chat")
    assert await ada.ask("vote", "lobby") == [["ada", b"\1\2"], ["bob", b"\2\1"]]


async def tick(ada):
    """Volatile events may get lost, but not doubled or out of order."""
    ticked = ada.hear("ticked")

    async def ticking():
        number = 0
        while True:
            await ada.emit("tick", number, namespace="/chat")
            await asyncio.sleep(0.005)
            number += 1

    background = asyncio.create_task(ticking())
    ticks = [(await soon("three volatile events", ticked))[0] for _ in range(3)]
    background.cancel()
    assert ticks == sorted(set(ticks))


async def keep_order():
    """A thousand events, sent as soon as the client may, so also while the transport changes."""
    eve = Client(reconnection=True, **QUICK)
    numbers = eve.hear("number")

    async def begin():
        for number in range(1000):
            await eve.emit("number", number, namespace="/chat")

    eve.on("connect", begin, namespace="/chat")
    await eve.join("eve", "/chat")
    for number in range(1000):
        assert (await soon(f"number {number}", numbers))[0] == number
    return eve


async def share_a_connection():
    dan = Client()
    await dan.join("dan", "/chat", "/news")
    assert await dan.ask("who am I") == (dan.get_sid("/chat"), dan.sid)
    assert await dan.ask("who am I", namespace="/news") == (dan.get_sid("/news"), dan.sid)
    assert dan.get_sid("/chat") != dan.get_sid("/news")
    return dan


async def come_back(eve):
    """A client that is cut off comes back as somebody else."""
    before = eve.get_sid("/chat")
    lost, back = eve.hear("disconnect"), eve.hear("connect")
    await eve.emit("cut me off", namespace="/chat")
    assert await soon("the end", lost) == (CLOSED,)
    if CLOSED == REASONS.SERVER_DISCONNECT:
        eve = Client()
        await eve.join("eve", "/chat")
    else:
        await soon("reconnecting", back)
    assert eve.get_sid("/chat") != before
    assert await eve.ask("who am I") == (eve.get_sid("/chat"), eve.sid)
    assert await eve.ask("credentials") == {"token": "good", "name": "eve"}
    return eve


async def leave(ada, bob, dan, eve):
    left = {client: client.hear("disconnect") for client in [ada, bob, dan, eve]}
    await bob.emit("throw me out", namespace="/chat")
    assert await soon("the end", left[bob]) == (REASONS.SERVER_DISCONNECT,)
    # Of a client that still waits for its last request, the goodbye gets lost.
    await ada.eio.queue.join()
    await ada.disconnect()
    assert await soon("the end", left[ada]) == (REASONS.CLIENT_DISCONNECT,)
    await eve.eio.queue.join()
    await eve.eio.disconnect()
    assert await soon("the end", left[eve]) == (REASONS.CLIENT_DISCONNECT,)
    await dan.emit("close the server", namespace="/news")
    assert await soon("the end", left[dan]) == (CLOSED,)


async def main():
    ada, bob = await come_in()
    await talk(ada)
    await answer(ada, bob)
    await tick(ada)
    eve = await keep_order()
    dan = await share_a_connection()
    eve = await come_back(eve)
    await leave(ada, bob, dan, eve)
    print("ok")


asyncio.run(main())
