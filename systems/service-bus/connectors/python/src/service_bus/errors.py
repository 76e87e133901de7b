"""Errors of the connector."""

from __future__ import annotations


class ConnectorError(ValueError):
    """The URL or the key is invalid."""


class BusError(Exception):
    """Base of the errors of commands."""


class Refused(BusError):
    """The bus refused the command."""


class Denied(BusError):
    """The bus refuses this service, most likely because of its key. There are no further attempts until
    ``initialize`` is called again."""


class Unanswered(BusError):
    """The connection was lost, or the acknowledgement did not arrive in time: the command may have been
    executed. It is not repeated, so no event arrives twice."""


class NotConnected(BusError):
    """Rooms of the service, and ``say``, require a connection. The room is joined as soon as there is one."""


class HttpFailed(BusError):
    """There is no connection, and the request to the HTTP API failed.

    ``status`` is the status of the response; ``None`` without a response.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class RequestFailed(BusError):
    """A request to another service failed.

    ``code`` is ``no_service``, ``timeout``, ``left``, ``refused``, ``too_many`` or ``invalid``.
    """

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code
