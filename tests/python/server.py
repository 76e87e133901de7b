"""python-socketio's asyncio server, for clients that are not.

    server.py PORT [msgpack]

It prints the port that it listens on, any free one for 0, and lives until it is ended.
"""

import asyncio
import sys

import socketio
from aiohttp import web

SERIALIZER = sys.argv[2] if len(sys.argv) > 2 else "default"

io = socketio.AsyncServer(ping_interval=1, serializer=SERIALIZER)


class Foo(socketio.AsyncNamespace):
    """The root namespace has the same events."""

    async def on_connect(self, sid, environ, auth):
        await self.save_session(sid, {"auth": auth})
        await self.enter_room(sid, "room")

    async def on_echo(self, sid, *args):
        return args

    async def on_who(self, sid):
        return {"id": sid, "auth": (await self.get_session(sid))["auth"]}

    async def on_kick(self, sid):
        await self.disconnect(sid)

    async def on_close(self, sid):
        await io.eio.disconnect(io.manager.eio_sid_from_sid(sid, self.namespace))

    async def on_tell(self, sid, number):
        await self.emit("news", number, to="room")


class No(socketio.AsyncNamespace):
    async def on_connect(self, sid, environ, auth):
        raise socketio.exceptions.ConnectionRefusedError("not today", {"a": "b"})


for name in ["/", "/foo"]:
    io.register_namespace(Foo(name))

    # Names with spaces are no names of methods.
    async def send_back(sid, *args, name=name):
        await io.emit("sent back", args, to=sid, namespace=name)

    async def ask_me(sid, name=name):
        return await io.call("question", (1, b"\2"), to=sid, namespace=name, timeout=5)

    io.on("send back", send_back, namespace=name)
    io.on("ask me", ask_me, namespace=name)
io.register_namespace(No("/no"))


async def main():
    app = web.Application()
    io.attach(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
