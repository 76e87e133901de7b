# PyPI's websocket-client visits the server.
#
#   python visit.py URL
import json
import sys

from websocket import WebSocketBadStatusException, create_connection

url = sys.argv[1]


def join(user):
    ws = create_connection(f"{url}/?user={user}", timeout=20, header=["Authorization: Bearer open sesame"])
    return ws, ask(ws, {"type": "me"})


def ask(ws, command):
    ws.send(json.dumps(command))
    return json.loads(ws.recv())


try:
    create_connection(url, timeout=20)
    raise AssertionError("came in without a token")
except WebSocketBadStatusException as refused:
    assert refused.status_code == 401, refused
    assert refused.resp_body == b"the token is missing or wrong", refused.resp_body

ada, me = join("ada")
assert (me["user"], me["rooms"], me["state"]) == ("ada", ["lobby"], "Open"), me
bob, _ = join("bob")
assert json.loads(ada.recv()) == {"type": "arrived", "room": "lobby", "who": "bob", "now": 2}
assert ask(bob, {"type": "say", "room": "lobby", "text": "grüß dich"}) == {"type": "reached", "count": 1}
assert json.loads(ada.recv()) == {"type": "said", "from": "bob", "room": "lobby", "text": "grüß dich"}
bob.send_binary(bytes(range(256)))
assert bob.recv() == bytes(range(256))
bob.close()
assert json.loads(ada.recv()) == {"type": "gone", "room": "lobby", "who": "bob", "now": 1}
assert ask(ada, {"type": "stats"}) == {"type": "stats", "connections": 1, "rooms": 1, "users": 1}
ada.close()
print("ok")
