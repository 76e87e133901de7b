"""The subscriptions of a service, which are made again after each reconnect."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import BusError, Refused
from .events import Event, incoming
from .link import Link

logger = logging.getLogger("service_bus")


@dataclass
class Subscription:
    types: list[str]
    handler: Callable[[Event], Any]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_known: bool = False


class Subscriptions:
    def __init__(self, service: str) -> None:
        self._service = service
        self._by_name: dict[str, Subscription] = {}
        self.dropped: Callable[[str, int | None], Any] | None = None
        self.handlers = {"bus:event": self._event, "bus:dropped": self._dropped}

    def add(self, name: str, types: list[str], handler: Callable[[Event], Any]) -> None:
        self._by_name[name] = Subscription(types, handler)

    def remove(self, name: str) -> None:
        self._by_name.pop(name, None)

    async def restore(self, link: Link, timeout: float) -> None:
        for name in list(self._by_name):
            try:
                await self.subscribe(link, name, timeout)
            except BusError:
                logger.exception("%s: the subscription %s was not made again", self._service, name)

    async def subscribe(self, link: Link, name: str, timeout: float) -> None:
        known = self._by_name[name]
        answer = await link.answer("subscribe", {"subscription": name, "types": known.types}, timeout)
        if "error" in answer:
            raise Refused(str(answer["error"]))
        is_lost = known.is_known and answer.get("is_new") is True
        known.is_known = True
        if is_lost:
            await self._tell(name, None)

    async def _event(self, data: dict[str, Any]) -> dict[str, Any]:
        known = self._by_name.get(str(data.get("subscription")))
        event = incoming("bus:event", data.get("event"))
        if known is None or event is None:
            return {"error": "there is no such subscription"}
        # The lock has a queue: the next event waits for the end of the handler.
        async with known.turn:
            await self._call(known.handler, event)
        return {"success": True}

    async def _dropped(self, data: dict[str, Any]) -> dict[str, Any]:
        await self._tell(str(data.get("subscription")), int(data.get("count", 0)))
        return {"success": True}

    async def _tell(self, name: str, count: int | None) -> None:
        if self.dropped is None:
            logger.warning("%s: the bus has dropped events of %s: %s", self._service, name, count)
        else:
            await self._call(self.dropped, name, count)

    async def _call(self, handler: Callable[..., Any], *arguments: Any) -> None:
        try:
            done = handler(*arguments)
            if inspect.isawaitable(done):
                await done
        except Exception:
            logger.exception("%s: a handler of a subscription failed", self._service)
