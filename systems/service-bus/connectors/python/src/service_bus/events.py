"""The envelope of every event, and the standard types."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """The standard types. Custom types are plain strings."""

    USER_CONNECTED = "user:connected"
    USER_DISCONNECTED = "user:disconnected"
    USER_STATUS_CHANGED = "user:status_changed"
    CHAT_MESSAGE = "chat:message"
    CHAT_TYPING = "chat:typing"
    CHAT_READ = "chat:read"
    PRESENCE_UPDATE = "presence:update"
    PRESENCE_QUERY = "presence:query"
    NOTIFICATION = "notification"
    SYSTEM_ERROR = "system:error"
    SYSTEM_INFO = "system:info"


class Event(dict[str, Any]):
    """An event: a dictionary with ``type``, ``timestamp``, ``source``, and further fields.

    ``bytes`` are binary data, alone or inside of dictionaries and lists.
    """

    @property
    def type(self) -> str:
        """The type."""
        return str(self["type"])

    @property
    def timestamp(self) -> float:
        """The time, in seconds since 1970."""
        return float(self["timestamp"])

    @property
    def source(self) -> str:
        """The sender. The bus sets it, so a sender cannot pretend to be another one."""
        return str(self["source"])


def outgoing(kind: str | Mapping[str, Any], fields: Mapping[str, Any]) -> Event:
    """An event to send. Its fields are arguments, added to those of another event if one is given."""
    given: Mapping[str, Any] = {"type": str(kind)} if isinstance(kind, str) else kind
    if "type" not in given:
        raise ValueError("an event has a type")
    return Event({"timestamp": time.time(), "event_id": secrets.token_hex(16), **given, **fields, "type": str(given["type"])})


def incoming(name: str, data: object) -> Event | None:
    """A received event; ``None`` for a message that is none."""
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        return None
    return Event({"timestamp": time.time(), "source": "", **data})
