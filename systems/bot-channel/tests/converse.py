# PyPI's python-socketio talks with the sample bot.
#
#   python converse.py URL
import sys

import socketio

url = sys.argv[1]


def join(session=None):
    client = socketio.SimpleClient()
    client.connect(url, transports=["websocket"], wait_timeout=20)
    client.emit("session_request", {"session_id": session})
    event, confirmed = client.receive(timeout=20)
    assert event == "session_confirm", event
    return client, confirmed


def say(client, session, message):
    client.emit("user_uttered", {"message": message, "session_id": session})
    event, answer = client.receive(timeout=20)
    assert event == "bot_uttered", event
    return answer


ada, session = join()
assert len(session) == 32, session
assert say(ada, session, "Hi!") == {"text": "Hello! What can I do for you?"}
assert say(ada, session, "/choices")["quick_replies"][1] == {
    "content_type": "text", "title": "Coffee", "payload": "/coffee",
}
ada.disconnect()
ada, same = join(session)
assert same == session
ada.emit("user_uttered", "nonsense")
assert ada.receive(timeout=20) == ["error", {"event": "user_uttered", "message": "the message is no object"}]
assert say(ada, session, "/coffee") == {"text": "One /coffee, coming up."}
ada.disconnect()
print("ok")
