# PyPI's python-socketio talks with a Rasa server through the channel.
#
#   python rasa.py URL
import sys

import socketio

client = socketio.SimpleClient()
client.connect(sys.argv[1], transports=["websocket"], wait_timeout=20)
client.emit("session_request", {"session_id": None})
event, session = client.receive(timeout=20)
assert event == "session_confirm", event


def say(message, count, **more):
    client.emit("user_uttered", {"message": message, "session_id": session, **more})
    return [client.receive(timeout=20)[1] for _ in range(count)]


assert say("/greet", 2)[0] == {"text": "Hey!"}
assert say("/custom", 1) == [{"rating": 5}]
assert say("/error", 1) == [{"text": "Sorry, something went wrong. Please try again."}]
assert say("/metadata", 1, metadata={"user": "Ada"}) == [{"text": "Ada at socketio"}]
client.disconnect()
print("ok")
