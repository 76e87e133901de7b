"""Records what a write-only process of python-socketio publishes, as fixtures for the codecs of socketio-cluster.

    pip install python-socketio && python record.py
"""

import base64
import json
import pathlib
import pickle

import socketio

records = []
operation = ""


class Recorder(socketio.PubSubManager):
    """Writes down what is published."""

    def _publish(self, data):
        add(json.dumps(data).encode())


class OldRecorder(socketio.PubSubManager):
    """Publishes as older versions do."""

    def _publish(self, data):
        add(pickle.dumps(data))


def add(data):
    records.append({"operation": operation, "channel": "socketio", "bytes": base64.b64encode(data).decode()})


def run(name, call, kind=Recorder):
    global operation
    operation = name
    manager = kind("socketio", write_only=True)
    manager.host_id = "1f" * 16
    # Nothing is connected here, so only what is published counts.
    manager._handle_emit = manager._handle_disconnect = manager._handle_close_room = lambda message: None
    call(manager)


run("emit", lambda manager: manager.emit("hello", {"three": [3, -4.5, None, True]}))
run("emit nothing", lambda manager: manager.emit("hello", None))
run("emit a list", lambda manager: manager.emit("hello", [1, 2]))
run("emit several", lambda manager: manager.emit("hello", (1, "two é")))
run("emit to a room", lambda manager: manager.emit("hello", 1, namespace="/n", room="r", skip_sid="s"))
run("emit to rooms", lambda manager: manager.emit("hello", 1, room=["r", "s"], skip_sid=["t", "u"]))
run("emit binary", lambda manager: manager.emit("hello", ({"a": b"\x00\xff"}, b"")))
run("disconnect", lambda manager: manager.disconnect("s", namespace="/n"))
run("enter a room", lambda manager: manager.enter_room("s", "/", "r"))
run("leave a room", lambda manager: manager.leave_room("s", "/", "r"))
run("close a room", lambda manager: manager.close_room("r", namespace="/"))
run("pickle", lambda manager: manager.emit("hello", 1), OldRecorder)

lines = ",\n".join(json.dumps(record) for record in records)
path = pathlib.Path(__file__).parent.parent / "data" / "python.json"
path.write_text(f"[\n{lines}\n]\n")
print(f"python: {len(records)} messages")
