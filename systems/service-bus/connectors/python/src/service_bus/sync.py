"""The connector for threads. An event loop in a thread of the process has the connections of all connectors."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import queue
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar, overload

from . import connector as asynchronous
from .connector import LinkState
from .events import Event, EventType

__all__ = ["Event", "EventType", "LinkState", "ServiceConnector"]

logger = logging.getLogger("service_bus")

T = TypeVar("T")
H = TypeVar("H", bound=Callable[[Event], Any])

_lock = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of this process: a fork has no threads of its parent."""
    with _lock:
        loop = _loops.get(os.getpid())
        if loop is None:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="service-bus", daemon=True).start()
        return loop


class ServiceConnector:
    """The client of a service, for threads; the parameters are those of
    :class:`service_bus.ServiceConnector`.

    Handlers are plain functions. They run one after the other, in the order of the events, in a thread of
    this connector, and may use the connector."""

    def __init__(self, name: str, url: str, key: str | None = None, **options: Any) -> None:
        self._connector = asynchronous.ServiceConnector(name, url, key, **options)
        self._queue: queue.SimpleQueue[tuple[Callable[[Event], Any], Event] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._wrapped: list[tuple[str, Callable[[Event], Any], Callable[[Event], Any]]] = []

    @property
    def name(self) -> str:
        """The service's name."""
        return self._connector.name

    @property
    def link(self) -> LinkState:
        """The current state of the link."""
        return self._connector.link

    def initialize(self) -> LinkState:
        """Connects."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=f"service-bus {self.name}", daemon=True)
            self._thread.start()
        return self._wait(self._connector.initialize())

    @overload
    def on_event(self, kind: str, handler: H) -> H: ...
    @overload
    def on_event(self, kind: str, handler: None = None) -> Callable[[H], H]: ...
    def on_event(self, kind: str, handler: H | None = None) -> H | Callable[[H], H]:
        """Adds a handler of events of a type; without a handler, a decorator."""

        def add(handler: H) -> H:
            if inspect.iscoroutinefunction(handler):
                raise TypeError("handlers of the synchronous connector are plain functions")

            def put(event: Event) -> None:
                self._queue.put((handler, event))

            self._wrapped.append((str(kind), handler, put))
            self._connector.on_event(kind, put)
            return handler

        return add if handler is None else add(handler)

    def off(self, kind: str, handler: Callable[[Event], Any] | None = None) -> bool:
        """Removes a handler, or all of a type; whether there was one."""
        removed = [one for one in self._wrapped if one[0] == str(kind) and handler in (None, one[1])]
        self._wrapped = [one for one in self._wrapped if one not in removed]
        for _, _, put in removed:
            self._connector.off(kind, put)
        return bool(removed)

    def emit_to_user(self, user_id: str, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends to a user, on all its clients; the number of reached sockets."""
        return self._wait(self._connector.emit_to_user(user_id, kind, **fields))

    def emit_to_client(self, client_id: str, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends to one client."""
        return self._wait(self._connector.emit_to_client(client_id, kind, **fields))

    def emit_to_room(self, room: str, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends to all sockets in a room."""
        return self._wait(self._connector.emit_to_room(room, kind, **fields))

    def emit_to_service(self, service: str, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends to all instances of a service. While it is away, the bus keeps the event for its subscriptions."""
        return self._wait(self._connector.emit_to_service(service, kind, **fields))

    def publish(self, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends an event of any type to all other services, and keeps it for those that are away and have a
        subscription."""
        return self._wait(self._connector.publish(kind, **fields))

    def subscribe(self, name: str, types: Iterable[str], handler: Callable[[Event], Any]) -> None:
        """Subscribes to event types, none for all. The handler runs in a thread, for one event at a time."""

        def handle(event: Event) -> Coroutine[Any, Any, Any]:
            return asyncio.to_thread(handler, event)

        self._wait(self._connector.subscribe(name, types, handle))

    def unsubscribe(self, name: str) -> None:
        """Ends a subscription: the bus forgets its events."""
        self._wait(self._connector.unsubscribe(name))

    def on_dropped(self, handler: Callable[[str, int | None], Any]) -> None:
        """Sets the handler for events that the bus has dropped. It runs in a thread."""
        self._connector.on_dropped(lambda name, count: asyncio.to_thread(handler, name, count))

    def on_request(self, kind: str, handler: Callable[[Event], Any]) -> None:
        """Sets the handler of requests of a type. It runs in a thread, for several requests at a time."""
        self._connector.on_request(kind, lambda event: asyncio.to_thread(handler, event))

    def request(
        self, service: str, kind: str | Mapping[str, Any], /, *, timeout: float = 5.0, **fields: Any
    ) -> Any:
        """Asks one instance of a service, and waits for its answer."""
        return self._wait(self._connector.request(service, kind, timeout=timeout, **fields))

    def broadcast(self, kind: str | Mapping[str, Any], /, **fields: Any) -> int:
        """Sends to all clients and services."""
        return self._wait(self._connector.broadcast(kind, **fields))

    def join(self, room: str) -> None:
        """Adds this service to a room, now or when there is a connection, and again after each reconnect."""
        self._wait(self._connector.join(room))

    def leave(self, room: str) -> None:
        """Removes this service from a room."""
        self._wait(self._connector.leave(room))

    def join_client(self, client_id: str, room: str) -> None:
        """Adds a client to a room, for example ``user:ID``."""
        self._wait(self._connector.join_client(client_id, room))

    def leave_client(self, client_id: str, room: str) -> None:
        """Removes a client from a room."""
        self._wait(self._connector.leave_client(client_id, room))

    def say(self, kind: str | Mapping[str, Any], /, **fields: Any) -> None:
        """Sends an event as a client would."""
        self._wait(self._connector.say(kind, **fields))

    def shutdown(self) -> None:
        """Ends the connection, and waits for the handlers of received events."""
        self._wait(self._connector.shutdown())
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            # A handler may end its own connector.
            if thread is not threading.current_thread():
                thread.join()

    def _run(self) -> None:
        while (received := self._queue.get()) is not None:
            handler, event = received
            try:
                handler(event)
            except Exception:
                logger.exception("%s: a handler of %s failed", self.name, event.type)

    def _wait(self, asked: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asked, _loop()).result()
