"""The client of a service: its connection to the bus, which reconnects by itself, and the HTTP API as a fallback."""

from __future__ import annotations

import asyncio
import inspect
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar, overload
from urllib.parse import urlsplit

from .errors import ConnectorError, Denied, NotConnected, Refused
from .events import Event, incoming, outgoing
from .fallback import Fallback
from .link import Link
from .requests import Requests, answer_of
from .subscriptions import Subscriptions

logger = logging.getLogger("service_bus")

Handler = Callable[[Event], Awaitable[None] | None]
H = TypeVar("H", bound=Callable[[Event], Any])

MAX_UNSENT = 1_000
"""Maximum number of events that ``say`` keeps while there is no connection."""


class LinkState(Enum):
    """State of the link to the bus."""

    SOCKET = "socket"
    """A connection."""
    HTTP = "http"
    """The HTTP API: events can be sent, but not received. Connection attempts continue."""
    REFUSED = "refused"
    """None: the bus has refused the service. No attempt is made until ``initialize`` is called again."""


class ServiceConnector:
    """The client of a service, for one event loop.

    :param name: name of the service, the source of its events.
    :param url: the bus, such as ``http://localhost:8000``.
    :param key: the key of services. Default none.
    :param path: path of Socket.IO. Default ``/socket.io/``.
    :param tls: TLS settings for URLs with ``https://``. Default: the system's certificates.
    :param timeout: seconds that the first connection, and each acknowledgement, may take. Default 5.
    :param reconnection_delay: seconds before the first reconnection attempt; it doubles up to ten times that
        value. Default 0.5.
    """

    def __init__(
        self,
        name: str,
        url: str,
        key: str | None = None,
        *,
        path: str = "/socket.io/",
        tls: ssl.SSLContext | None = None,
        timeout: float = 5.0,
        reconnection_delay: float = 0.5,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConnectorError(f"{url} is not the URL of a bus: http://HOST:PORT, or https")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ConnectorError("the key cannot stand in a header")
        url = url.rstrip("/")
        self._name = name
        self._timeout = timeout
        self._delay = reconnection_delay
        self._fallback = Fallback(url, key, name, timeout, tls)
        self._subscriptions = Subscriptions(name)
        self._requests = Requests()
        asked = {**self._subscriptions.handlers, **self._requests.handlers}
        self._link = Link(url, path, {"service": name, "key": key}, tls, timeout, self._received, asked)
        self._handlers: dict[str, list[Callable[[Event], Any]]] = {}
        # The loop keeps weak references to its tasks.
        self._running: set[asyncio.Task[None]] = set()
        # Ordered, for rooms that are joined again in the order in which they were joined.
        self._rooms: dict[str, None] = {}
        self._unsent: list[Event] = []
        self._denied: str | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._tried: asyncio.Future[bool] | None = None
        self._asking = 0
        self._idle = asyncio.Event()
        self._open = asyncio.Event()
        self._idle.set()
        self._open.set()

    @property
    def name(self) -> str:
        """The service's name."""
        return self._name

    @property
    def link(self) -> LinkState:
        """The current state of the link."""
        if self._link.is_connected:
            return LinkState.SOCKET
        return LinkState.HTTP if self._denied is None else LinkState.REFUSED

    async def initialize(self) -> LinkState:
        """Connects. If there is no connection in time, the API is used as long as it is reachable, and
        connection attempts continue. :class:`Denied` means that the bus refuses the service."""
        self._denied = None
        if self._keeping is None or self._keeping.done():
            self._tried = asyncio.get_running_loop().create_future()
            self._keeping = asyncio.create_task(self._keep(self._tried))
        if self._tried is not None:
            await asyncio.wait([self._tried], timeout=self._timeout)
        if self._link.is_connected:
            return LinkState.SOCKET
        if self._denied is not None:
            raise Denied(self._denied)
        try:
            await self._fallback.is_there()
        except Denied as error:
            self._denied = str(error)
            await self._stop()
            raise
        return self.link

    @overload
    def on_event(self, kind: str, handler: H) -> H: ...
    @overload
    def on_event(self, kind: str, handler: None = None) -> Callable[[H], H]: ...
    def on_event(self, kind: str, handler: H | None = None) -> H | Callable[[H], H]:
        """Adds a handler of events of a type, plain or async; without a handler, a decorator.

        Handlers begin in the order of the events. The next event does not wait for the end of an async
        handler. An error of a handler is logged."""

        def add(handler: H) -> H:
            self._handlers.setdefault(str(kind), []).append(handler)
            return handler

        return add if handler is None else add(handler)

    def off(self, kind: str, handler: Callable[[Event], Any] | None = None) -> bool:
        """Removes a handler, or all of a type; whether there was one."""
        known = self._handlers.get(str(kind), [])
        removed = [one for one in known if handler is None or one == handler]
        self._handlers[str(kind)] = [one for one in known if one not in removed]
        return bool(removed)

    async def emit_to_user(self, user_id: str, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends to a user, on all its clients; the number of reached sockets.

        ``kind`` is the type of the event, or another event, to which the fields are added."""
        return await self._ask("emit_to_user", {"user_id": user_id, "event": outgoing(kind, fields)})

    async def emit_to_client(self, client_id: str, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends to one client."""
        return await self._ask("emit_to_client", {"client_id": client_id, "event": outgoing(kind, fields)})

    async def emit_to_room(self, room: str, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends to all sockets in a room. ``service:NAME`` is the room of a service, ``services`` that of
        all services."""
        return await self._ask("emit_to_room", {"room": room, "event": outgoing(kind, fields)})

    async def emit_to_service(self, service: str, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends to all instances of a service. While it is away, the bus keeps the event for its subscriptions."""
        return await self._ask("emit_to_service", {"service": service, "event": outgoing(kind, fields)})

    async def publish(self, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends an event of any type to all other services, and keeps it for those that are away and have a
        subscription."""
        return await self._ask("publish", {"event": outgoing(kind, fields)})

    async def subscribe(self, name: str, types: Iterable[str], handler: Callable[[Event], Any]) -> None:
        """Subscribes to event types, none for all, under a name that stays the same after a restart.

        The bus keeps the events while this service is away, within limits, and delivers them in order: the next one
        when the handler has ended. An event may come again with the same ``event_id``. The subscription is made now
        or when there is a connection, and again after each reconnect."""
        self._subscriptions.add(name, [str(kind) for kind in types], handler)
        self._needs_connection()
        await self._subscriptions.subscribe(self._link, name, self._timeout)

    async def unsubscribe(self, name: str) -> None:
        """Ends a subscription: the bus forgets its events."""
        self._subscriptions.remove(name)
        self._needs_connection()
        answer = await self._link.answer("unsubscribe", {"subscription": name}, self._timeout)
        if "error" in answer:
            raise Refused(str(answer["error"]))

    def on_dropped(self, handler: Callable[[str, int | None], Any]) -> None:
        """Sets the handler for events that the bus has dropped: the name of the subscription, and the number of
        events, which is ``None`` if it is unknown. Default: a warning in the log."""
        self._subscriptions.dropped = handler

    def on_request(self, kind: str, handler: Callable[[Event], Any]) -> None:
        """Sets the handler of requests of a type, plain or async. Its result is the answer; the text of its error
        is the reason that the asking service gets."""
        self._requests.set(str(kind), handler)

    async def request(
        self, service: str, kind: str | Mapping[str, Any], /, *, timeout: float = 5.0, **fields: Any
    ) -> Any:
        """Asks one instance of a service, each in turn, and waits for its answer. It is not repeated.
        :class:`RequestFailed` says why there is none."""
        body = {"service": service, "event": outgoing(kind, fields), "timeout_ms": round(timeout * 1000)}
        # The bus answers when the time is over.
        limit = timeout + self._timeout
        if self._link.is_connected:
            return answer_of(await self._link.answer("request", body, limit))
        if self._denied is not None:
            raise Denied(self._denied)
        return await self._fallback.request(body, limit)

    async def broadcast(self, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends to all clients and services."""
        return await self._ask("broadcast", {"event": outgoing(kind, fields)})

    async def join(self, room: str) -> None:
        """Adds this service to a room, now or when there is a connection, and again after each reconnect."""
        self._rooms[room] = None
        try:
            await self._ask("join_room", {"room": room}, in_person=True)
        except Refused:
            # The room would be refused after each reconnect too.
            self._rooms.pop(room, None)
            raise

    async def leave(self, room: str) -> None:
        """Removes this service from a room."""
        self._rooms.pop(room, None)
        await self._ask("leave_room", {"room": room}, in_person=True)

    async def join_client(self, client_id: str, room: str) -> None:
        """Adds a client to a room, for example ``user:ID``."""
        await self._ask("join_room", {"client_id": client_id, "room": room})

    async def leave_client(self, client_id: str, room: str) -> None:
        """Removes a client from a room."""
        await self._ask("leave_room", {"client_id": client_id, "room": room})

    async def say(self, kind: str | Mapping[str, Any], /, **fields: Any) -> None:
        """Sends an event as a client would: an event of a standard type reaches all other services, and the
        bus answers ``presence:query`` with ``presence:update``.

        Without a connection 1,000 events are kept until there is one; further ones raise
        :class:`NotConnected`."""
        event = outgoing(kind, fields)
        if self._link.is_connected:
            return await self._link.emit(event.type, event)
        if self._denied is not None:
            raise Denied(self._denied)
        if len(self._unsent) >= MAX_UNSENT:
            raise NotConnected("there is no connection, and too many events wait for one")
        self._unsent.append(event)

    async def shutdown(self) -> None:
        """Ends the connection. Events sent before are written, and pending commands have the timeout to
        complete. Later commands wait for the end, and then use the API."""
        self._open.clear()
        try:
            try:
                async with asyncio.timeout(self._timeout):
                    await self._idle.wait()
            except TimeoutError:
                logger.warning("%s: a command is not answered before the shutdown", self._name)
            await self._link.flush()
            await self._stop()
        finally:
            self._open.set()

    async def _ask(self, op: str, body: Mapping[str, Any], in_person: bool = False) -> int:
        await self._open.wait()
        self._asking += 1
        self._idle.clear()
        try:
            # A command that was sent over the connection is not repeated over HTTP.
            if self._link.is_connected:
                return await self._link.ask(op, body)
            if self._denied is not None:
                raise Denied(self._denied)
            if in_person:
                raise NotConnected("there is no connection")
            return await self._fallback.carry_out(op, body)
        finally:
            self._asking -= 1
            if self._asking == 0:
                self._idle.set()

    def _needs_connection(self) -> None:
        if not self._link.is_connected:
            raise NotConnected("there is no connection") if self._denied is None else Denied(self._denied)

    async def _keep(self, tried: asyncio.Future[bool]) -> None:
        """Connects, and again after each loss, until the bus refuses the service."""
        delay = self._delay
        try:
            while True:
                try:
                    await self._link.connect(self._restore)
                    delay = self._delay
                    if not tried.done():
                        tried.set_result(True)
                    await self._link.lost()
                except Denied as error:
                    # A restarted bus may have another key.
                    logger.warning("%s: the bus does not take this service: %s", self._name, error)
                    self._denied = str(error)
                    return
                except ConnectionError as error:
                    logger.debug("%s: no connection: %s", self._name, error)
                if not tried.done():
                    tried.set_result(False)
                await asyncio.sleep(delay)
                delay = min(delay * 2, self._delay * 10)
        finally:
            if not tried.done():
                tried.set_result(False)
            await self._link.close()

    async def _restore(self) -> None:
        """The bus has lost the rooms with the previous connection."""
        await self._subscriptions.restore(self._link, self._timeout)
        for room in list(self._rooms):
            await self._link.emit("join_room", {"room": room})
        unsent, self._unsent = self._unsent, []
        for event in unsent:
            await self._link.emit(event.type, event)

    async def _stop(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
            self._keeping = None

    def _received(self, name: str, data: object) -> None:
        event = incoming(name, data)
        if event is None:
            logger.warning("%s: %s is no event of the bus", self._name, name)
            return
        for handler in self._handlers.get(name, ()):
            # Plain handlers are tasks too: tasks begin in the order in which they were created.
            task = asyncio.create_task(self._handle(handler, event))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _handle(self, handler: Callable[[Event], Any], event: Event) -> None:
        try:
            done = handler(event)
            if inspect.isawaitable(done):
                await done
        except Exception:
            logger.exception("%s: a handler of %s failed", self._name, event.type)
