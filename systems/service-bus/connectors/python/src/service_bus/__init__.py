"""Connector of services in Python to the service-bus.

:class:`ServiceConnector` is for asyncio, :class:`service_bus.sync.ServiceConnector` for threads.
"""

from .connector import LinkState, ServiceConnector
from .errors import BusError, ConnectorError, Denied, HttpFailed, NotConnected, Refused, RequestFailed, Unanswered
from .events import Event, EventType

__all__ = [
    "BusError",
    "ConnectorError",
    "Denied",
    "Event",
    "EventType",
    "HttpFailed",
    "LinkState",
    "NotConnected",
    "Refused",
    "RequestFailed",
    "ServiceConnector",
    "Unanswered",
]
