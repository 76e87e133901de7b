# PyPI's python-socketio is a service.
#
#   python service.py URL KEY
import sys

import socketio

url, key = sys.argv[1:3]
service = socketio.SimpleClient()
service.connect(url, auth={"service": "python", "key": key}, transports=["websocket"], wait_timeout=20)
event = {"type": "notification", "text": "hello"}
reached = service.call("emit_to_room", {"room": "service:listener", "event": event}, timeout=20)
assert reached == {"reached": 1}, reached
assert service.call("join_room", {"room": "letters"}, timeout=20) == {"reached": 1}
service.emit("emit_to_room", {"room": "letters", "event": {"type": "order:paid", "order": 7}})
# The bus has sent a snapshot of the services before.
name, heard = service.receive(timeout=20)
while name != "order:paid":
    name, heard = service.receive(timeout=20)
assert (name, heard["type"], heard["source"], heard["order"]) == ("order:paid", "order:paid", "python", 7), heard
service.disconnect()
print("ok")
