"""python-socketio on uvicorn, as its documentation writes servers."""

import os

import socketio
import uvicorn

sio = socketio.AsyncServer(
    async_mode="asgi", ping_interval=25, ping_timeout=20, cors_allowed_origins="*", http_compression=False
)


@sio.event
async def echo(sid, data):
    await sio.emit("echo", data, to=sid)


@sio.event
async def ack(sid, data):
    return data


@sio.event
async def broadcast(sid, data):
    await sio.emit("broadcast", data)


@sio.event
async def join(sid, room):
    await sio.enter_room(sid, room)
    return "ok"


@sio.event
async def room(sid, name, data):
    await sio.emit("room", data, room=name)


if __name__ == "__main__":
    uvicorn.run(
        socketio.ASGIApp(sio),
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        log_level="error",
        access_log=False,
        ws_per_message_deflate=False,
        backlog=4096,
    )
