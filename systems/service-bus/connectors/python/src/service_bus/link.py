"""One connection at a time to the bus: acknowledgements, its loss, and its end."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import socketio
import socketio.exceptions

from .errors import Denied, Refused, Unanswered

logger = logging.getLogger("service_bus")


class Link:
    def __init__(
        self,
        url: str,
        path: str,
        auth: Mapping[str, Any],
        tls: ssl.SSLContext | None,
        timeout: float,
        received: Callable[[str, object], None],
        asked: Mapping[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]],
    ) -> None:
        self._url, self._path, self._auth = url, path.strip("/"), auth
        self._tls, self._timeout, self._received = tls, timeout, received
        self._asked = asked
        self._client: socketio.AsyncClient | None = None
        self._session: aiohttp.ClientSession | None = None
        self._lost = asyncio.Event()
        self._pending: set[asyncio.Future[tuple[Any, ...]]] = set()
        self._emitting = asyncio.Lock()
        self.is_connected = False

    async def connect(self, restore: Callable[[], Awaitable[None]]) -> None:
        """A new connection. ``restore`` emits before the connection is used by others.

        ``Denied`` is the answer of the bus to these credentials, ``ConnectionError`` any other failure."""
        await self.close()
        # A connector of its own ends with the connection, also if the attempt is cancelled.
        connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True)
        self._session = aiohttp.ClientSession(connector=connector)
        # The connector has its own reconnection, which ends when the bus refuses the service. Signals belong
        # to the application.
        client = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            http_session=self._session,
            request_timeout=self._timeout,
        )
        self._client, self._lost, denied = client, asyncio.Event(), []
        lost = self._lost

        def refused(*reason: Any) -> None:
            # A failure of the transport calls this handler too, without a transport.
            if client.eio.state == "connected":
                said = reason[0] if reason else ""
                denied.append(str(said.get("message", "")) if isinstance(said, dict) else str(said))

        def ended(*_: Any) -> None:
            if self._client is client:
                self._end()
            lost.set()

        client.on("connect_error", refused)
        client.on("disconnect", ended)
        client.on("*", self._heard)
        for name, handler in self._asked.items():
            client.on(name, handler)
        try:
            async with asyncio.timeout(self._timeout):
                await client.connect(
                    self._url,
                    auth=dict(self._auth),
                    socketio_path=self._path,
                    wait_timeout=self._timeout,
                )
        except Exception as error:
            await self.close()
            if denied:
                raise Denied(denied[0]) from error
            raise ConnectionError(str(error)) from error
        if not client.connected:
            await self.close()
            raise ConnectionError("the connection was closed at once")
        await restore()
        self.is_connected = True

    async def lost(self) -> None:
        """Waits until the connection is lost."""
        await self._lost.wait()

    async def emit(self, name: str, data: Mapping[str, Any], callback: Callable[..., None] | None = None) -> None:
        if self._client is None:
            raise Unanswered("the connection was lost")
        try:
            # The packets of two events with binary data must not be mixed.
            async with self._emitting:
                await self._client.emit(name, dict(data), callback=callback)
        except socketio.exceptions.SocketIOError as error:
            raise Unanswered("the connection was lost") from error

    async def ask(self, op: str, body: Mapping[str, Any]) -> int:
        """Sends a command; the number of reached sockets."""
        first = await self.answer(op, body, self._timeout)
        reached = first.get("reached")
        if isinstance(reached, int):
            return reached
        raise Refused(str(first.get("error", "")))

    async def answer(self, op: str, body: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """Sends an event, and waits for the acknowledgement, an object."""
        answer: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()

        def answered(*said: Any) -> None:
            if not answer.done():
                answer.set_result(said)

        self._pending.add(answer)
        try:
            async with asyncio.timeout(timeout):
                await self.emit(op, body, answered)
                said = await answer
        except TimeoutError as error:
            raise Unanswered("the bus did not answer in time") from error
        finally:
            self._pending.discard(answer)
        return said[0] if said and isinstance(said[0], dict) else {}

    async def flush(self) -> None:
        """Waits until all events are written: the end of a connection drops those in the queue."""
        if self._client is None or not self.is_connected:
            return
        written = asyncio.ensure_future(self._client.eio.queue.join())
        ended = asyncio.ensure_future(self._lost.wait())
        _, waiting = await asyncio.wait(
            [written, ended], timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED
        )
        for one in waiting:
            one.cancel()

    async def close(self) -> None:
        client, session, self._client, self._session = self._client, self._session, None, None
        self._end()
        self._lost.set()
        if client is not None:
            try:
                async with asyncio.timeout(self._timeout):
                    await client.disconnect()
            except Exception as error:
                # An attempt that was cancelled has no loops to wait for.
                logger.debug("the connection did not end in order: %r", error)
        if session is not None:
            await session.close()

    def _end(self) -> None:
        self.is_connected = False
        for answer in self._pending:
            if not answer.done():
                answer.set_exception(Unanswered("the connection was lost"))

    def _heard(self, name: str, *data: Any) -> None:
        self._received(name, data[0] if data else None)
