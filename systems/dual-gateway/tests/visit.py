# PyPI's python-socketio and websocket-client visit both ports.
#
#   python visit.py MAIN WEBSOCKET
import json
import sys

import requests
import socketio
from websocket import WebSocketBadStatusException, create_connection

main, websocket = sys.argv[1:3]
token = requests.post(f"{main}/api/auth/acquire-session", timeout=20).json()["data"]["token"]
native = websocket.replace("http:", "ws:")


def take(receive, event):
    while True:
        # A further argument is the offset of a recoverable event.
        name, data, *_ = receive()
        if name == event:
            return data


def from_client(client):
    return lambda: client.receive(timeout=20)


def from_ws(ws):
    def receive():
        message = json.loads(ws.recv())
        return message["event"], message.get("data")
    return receive


try:
    create_connection(native, timeout=20)
    raise AssertionError("came in without a token")
except WebSocketBadStatusException as refused:
    assert refused.status_code == 401, refused

for url in (main, websocket):
    client = socketio.SimpleClient()
    client.connect(url, auth={"token": token}, wait_timeout=20)
    assert take(from_client(client), "connected")["isLoggedIn"] is False
    client.emit("echo", {"message": "hello"})
    assert take(from_client(client), "echo_response")["received"] == {"message": "hello"}
    client.emit("ai:chat", {"message": "hello"})
    answer = take(from_client(client), "ai:response:complete")
    assert answer["fullResponse"] == 'You said "hello", after 0 messages.', answer

    # A client of the other protocol receives the messages.
    ws = create_connection(native, timeout=20, header=[f"Authorization: Bearer {token}"])
    take(from_ws(ws), "connected")
    client.emit("message", {"content": "to all"})
    assert take(from_ws(ws), "message")["content"] == "to all"
    ws.send(json.dumps({"event": "message", "data": {"content": "back"}}))
    assert take(from_client(client), "message")["content"] == "back"
    ws.close()
    client.disconnect()
print("ok")
