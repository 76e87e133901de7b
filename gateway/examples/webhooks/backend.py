"""A backend for socketio-gateway with only the standard library: admission, a chat, and presence.

    WEBHOOK_SECRET=… python3 backend.py 9000
"""
import base64, hashlib, hmac, json, os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET, PORT = os.environ["WEBHOOK_SECRET"].encode(), int(sys.argv[1])
online = {}


def is_signed(headers, body):
    call_id, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "0")
    digest = hmac.new(SECRET, f"{call_id}.{sent}.".encode() + body, hashlib.sha256).digest()
    ours = "v1," + base64.b64encode(digest).decode()
    theirs = headers.get("webhook-signature", "").split(" ")
    return any([hmac.compare_digest(ours, one) for one in theirs]) and abs(time.time() - int(sent)) < 300


def answer(call):
    client = call["socket"]
    if call["type"] == "connect":
        name = (call["auth"] or {}).get("name")
        if not name:
            return {"allow": False, "message": "a name is required", "data": {"code": "name_required"}}
        online[client["id"]] = name
        hello = {"event": "joined", "room": "chat", "others": True, "data": {"name": name}}
        return {"user": name, "rooms": ["chat"], "metadata": {"name": name}, "emit": [hello]}
    if call["type"] == "disconnect":
        name = online.pop(client["id"], client["user"])
        return {"emit": [{"event": "left", "room": "chat", "data": {"name": name, "reason": call["reason"]}}]}
    if call["event"] == "say":
        said = {"from": client["user"], "text": call["args"][0]}
        return {"ack": {"delivered": True}, "emit": [{"event": "said", "room": "chat", "data": said}]}
    return {"ack": {"error": "unknown event " + call["event"]}}


class Webhooks(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = is_signed(self.headers, body)
        text = json.dumps(answer(json.loads(body)) if signed else {}).encode()
        self.send_response(200 if signed else 401)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", PORT), Webhooks)
print(server.server_address[1], flush=True)
server.serve_forever()
