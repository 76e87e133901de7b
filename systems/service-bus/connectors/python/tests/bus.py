"""The bus of the tests, the program named by SERVICE_BUS, and waits with a deadline."""

from __future__ import annotations

import asyncio
import os
import queue
import subprocess
import threading
import unittest

import socketio

from service_bus import LinkState, ServiceConnector

KEY = "open sesame"
LIMIT = 20
OPTIONS = {"timeout": 10, "reconnection_delay": 0.01}


class Bus:
    """A running bus; ``start`` uses the port of the first run again."""

    def __init__(self, **variables):
        self.variables = {"BUS_KEY": KEY, "USERS": "believed", "LOG_LEVEL": "OFF", **variables}
        self.variables = {name: value for name, value in self.variables.items() if value is not None}
        self.port = "0"
        self.start()

    def start(self):
        environment = {name: value for name, value in os.environ.items() if name != "BUS_KEY"}
        environment = {**environment, **self.variables, "SOCKET_IO_PORT": self.port}
        self.program = subprocess.Popen(
            [os.environ["SERVICE_BUS"]], env=environment, stdout=subprocess.PIPE, text=True
        )
        # A bus that never listens is ended, which ends its output.
        timer = threading.Timer(LIMIT, self.program.kill)
        timer.start()
        line = self.program.stdout.readline()
        timer.cancel()
        self.url = line.removeprefix("listening on ").strip()
        self.port = self.url.rpartition(":")[2]
        assert self.port.isdecimal(), line

    def kill(self):
        self.program.kill()
        self.program.wait(LIMIT)

    def stop(self):
        self.program.terminate()
        self.program.wait(LIMIT)

    def end(self):
        self.kill()
        self.program.stdout.close()


async def soon(waited):
    return await asyncio.wait_for(waited, LIMIT)


async def until(holds):
    """Waits for a condition of another task or program, which reports no change."""
    async with asyncio.timeout(LIMIT):
        while not await holds():
            await asyncio.sleep(0.005)


async def user(url, user_id, transports=("websocket",)):
    """A user with python-socketio, and the queue of its events."""
    client, events = socketio.AsyncClient(reconnection=False, handle_sigint=False), asyncio.Queue()
    client.on("*", lambda name, event: events.put_nowait((name, event)))
    await client.connect(url, auth={"user_id": user_id}, transports=list(transports), wait_timeout=LIMIT)
    return client, events


class Received(queue.SimpleQueue):
    def soon(self):
        return self.get(timeout=LIMIT)


class BusTests(unittest.IsolatedAsyncioTestCase):
    """Tests with a bus; what they open is closed after them."""

    def bus(self, **variables):
        bus = Bus(**variables)
        self.addCleanup(bus.end)
        return bus

    def service(self, name, bus, **options):
        connector = ServiceConnector(name, bus.url, **{"key": KEY, **OPTIONS, **options})
        self.addAsyncCleanup(connector.shutdown)
        return connector

    async def connected(self, name, bus, **options):
        connector = self.service(name, bus, **options)
        self.assertEqual(await soon(connector.initialize()), LinkState.SOCKET)
        return connector
