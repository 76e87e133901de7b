"""python-socketio's other client, the one with threads, goes through what applications do, against our server.

    sync_client.py URL TRANSPORTS [msgpack]

The names of the visitors are those that the server writes down when they leave.
"""

import os
import queue
import sys
import threading
import traceback

import engineio
import socketio

URL, TRANSPORTS = sys.argv[1], sys.argv[2].split(",")
SERIALIZER = sys.argv[3] if len(sys.argv) > 3 else "default"
LIMIT = 20
QUICK = {"reconnection_delay": 0.01, "reconnection_delay_max": 0.05, "randomization_factor": 0}
# What a server may send at once over polling; the client would close after 16.
engineio.payload.Payload.max_decode_packets = 1000
REASONS = socketio.Client.reason
# What the client calls a connection that the server closes. Over polling the server says so to the waiting request,
# and this client then does not come back by itself.
CLOSED = REASONS.TRANSPORT_ERROR if "websocket" in TRANSPORTS else REASONS.SERVER_DISCONNECT


class Client(socketio.Client):
    def __init__(self, **options):
        super().__init__(**{"reconnection": False, "handle_sigint": False, "serializer": SERIALIZER} | options)
        # The client starts a thread for each message, so the parts of an event may overtake one another.
        self.messages, self.start_thread = queue.SimpleQueue(), self.eio.start_background_task
        self.eio.start_background_task = self.take_turns
        threading.Thread(target=self.handle_messages, daemon=True).start()

    def take_turns(self, target, *args, **kwargs):
        if target == self.eio.handlers["message"]:
            return self.messages.put(args)
        return self.start_thread(target, *args, **kwargs)

    def handle_messages(self):
        while True:
            self.eio.handlers["message"](*self.messages.get())

    def connect(self, url, **options):
        """Also when it reconnects, it would else wait for one second only, which a busy machine may need."""
        super().connect(url, **options | {"wait_timeout": LIMIT})

    def join(self, name, *namespaces, token="good"):
        auth = {"token": token, "name": name}
        self.connect(URL, auth=auth, transports=TRANSPORTS, namespaces=list(namespaces))

    def ask(self, event, data=None, namespace="/chat"):
        """The answer to an event: nothing, one argument, or a tuple of them."""
        try:
            return self.call(event, data, namespace=namespace, timeout=LIMIT)
        except socketio.exceptions.TimeoutError:
            raise AssertionError(f"an answer to {event!r} did not come") from None

    def hear(self, event, namespace="/chat"):
        """The arguments of each event of this name that comes from now on."""
        came = queue.SimpleQueue()
        self.on(event, lambda *args: came.put(args), namespace=namespace)
        return came


def soon(what, heard):
    try:
        return heard.get(timeout=LIMIT)
    except queue.Empty:
        raise AssertionError(f"{what} did not come") from None


def refusal(namespace, token):
    client = Client()
    heard = client.hear("connect_error", namespace)
    try:
        client.join("nobody", namespace, token=token)
    except socketio.exceptions.ConnectionError:
        return soon("the error", heard)[0]
    raise AssertionError("nobody was let in")


def come_in():
    """Refused with data and without, then let in."""
    assert refusal("/chat", "bad") == {"message": "not allowed", "data": {"code": 7}}
    assert refusal("/nowhere", "good") == {"message": "Invalid namespace"}
    ada, bob = Client(), Client()
    ada.join("ada", "/chat")
    bob.join("bob", "/chat")
    assert ada.ask("who am I") == (ada.get_sid("/chat"), ada.sid)
    assert ada.ask("credentials") == {"token": "good", "name": "ada"}
    assert ada.get_sid("/chat") != bob.get_sid("/chat")
    assert ada.transport() == TRANSPORTS[-1]
    return ada, bob


def talk(ada):
    """Events with answers and without: text, nothing, several, binary at any depth."""
    assert ada.ask("echo", (1, "2", {"3": [True, None]})) == (1, "2", {"3": [True, None]})
    assert ada.ask("echo") is None
    nested = {"a": [b"\1\2"], "b": b"", "c": "é€😀"}
    assert ada.ask("echo", nested) == nested
    echoed = ada.hear("echoed")
    for args in [("a", 1), (b"\7\x08\x09", "b"), ()]:
        ada.emit("echo", args, namespace="/chat")
        assert soon("echoed", echoed) == args


def answer(ada, bob):
    """The server asks one, for text and for bytes, and then everybody in a room."""
    ada.on("question", lambda a, b: a + b, namespace="/chat")
    ada.on("reverse", lambda data: data[::-1], namespace="/chat")
    assert ada.ask("ask me") == 42
    assert ada.ask("ask me for bytes") == b"\3\2\1"
    for client in [ada, bob]:
        assert client.ask("join", "lobby") is None
    said = bob.hear("said")
    message = {"text": "hello", "picture": b"png"}
    ada.emit("say", ("lobby", message), namespace="/chat")
    assert soon("said", said) == (message,)
    ada.on("vote", lambda ballot: ["ada", ballot], namespace="/chat")
    bob.on("vote", lambda ballot: ["bob", ballot[::-1]], namespace="/chat")
    assert ada.ask("vote", "lobby") == [["ada", b"\1\2"], ["bob", b"\2\1"]]


def tick(ada):
    """Volatile events may get lost, but not doubled or out of order."""
    ticked = ada.hear("ticked")

    enough = threading.Event()

    def ticking():
        number = 0
        while not enough.wait(0.005):
            ada.emit("tick", number, namespace="/chat")
            number += 1

    background = threading.Thread(target=ticking, daemon=True)
    background.start()
    ticks = [soon("three volatile events", ticked)[0] for _ in range(3)]
    enough.set()
    background.join()
    assert ticks == sorted(set(ticks))


def keep_order():
    """A thousand events, sent as soon as the client may, so also while the transport changes."""
    eve = Client(reconnection=True, **QUICK)
    numbers = eve.hear("number")

    def begin():
        for number in range(1000):
            eve.emit("number", number, namespace="/chat")

    eve.on("connect", begin, namespace="/chat")
    eve.join("eve", "/chat")
    for number in range(1000):
        assert soon(f"number {number}", numbers)[0] == number
    return eve


def share_a_connection():
    dan = Client()
    dan.join("dan", "/chat", "/news")
    assert dan.ask("who am I") == (dan.get_sid("/chat"), dan.sid)
    assert dan.ask("who am I", namespace="/news") == (dan.get_sid("/news"), dan.sid)
    assert dan.get_sid("/chat") != dan.get_sid("/news")
    return dan


def come_back(eve):
    """A client that is cut off comes back as somebody else."""
    before = eve.get_sid("/chat")
    lost, back = eve.hear("disconnect"), eve.hear("connect")
    eve.emit("cut me off", namespace="/chat")
    assert soon("the end", lost) == (CLOSED,)
    if CLOSED == REASONS.SERVER_DISCONNECT:
        eve = Client()
        eve.join("eve", "/chat")
    else:
        soon("reconnecting", back)
    assert eve.get_sid("/chat") != before
    assert eve.ask("who am I") == (eve.get_sid("/chat"), eve.sid)
    assert eve.ask("credentials") == {"token": "good", "name": "eve"}
    return eve


def leave(ada, bob, dan, eve):
    left = {client: client.hear("disconnect") for client in [ada, bob, dan, eve]}
    bob.emit("throw me out", namespace="/chat")
    assert soon("the end", left[bob]) == (REASONS.SERVER_DISCONNECT,)
    # Of a client that still waits for its last request, the goodbye gets lost.
    ada.eio.queue.join()
    ada.disconnect()
    assert soon("the end", left[ada]) == (REASONS.CLIENT_DISCONNECT,)
    eve.eio.queue.join()
    eve.eio.disconnect()
    assert soon("the end", left[eve]) == (REASONS.CLIENT_DISCONNECT,)
    dan.emit("close the server", namespace="/news")
    assert soon("the end", left[dan]) == (CLOSED,)


def main():
    ada, bob = come_in()
    talk(ada)
    answer(ada, bob)
    tick(ada)
    eve = keep_order()
    dan = share_a_connection()
    eve = come_back(eve)
    leave(ada, bob, dan, eve)


try:
    main()
    print("ok", flush=True)
    code = 0
except Exception:
    traceback.print_exc()
    code = 1
# The threads of clients that the server closed go on for a while.
os._exit(code)
