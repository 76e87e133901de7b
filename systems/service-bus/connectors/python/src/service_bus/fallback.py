"""The client of the HTTP API, for services without a connection."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp

from .errors import Denied, HttpFailed, RequestFailed

MAX_ANSWER = 1_000_000
"""Maximum response size, in bytes."""


class Fallback:
    def __init__(
        self, url: str, key: str | None, source: str, timeout: float, tls: ssl.SSLContext | None
    ) -> None:
        self._url = url
        self._headers = {"content-type": "application/json"}
        if key is not None:
            self._headers["authorization"] = f"Bearer {key}"
        self._source = source
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._tls = tls

    async def carry_out(self, op: str, body: Mapping[str, Any]) -> int:
        try:
            encoded = json.dumps({**body, "source": self._source})
        except TypeError as error:
            raise HttpFailed(f"the HTTP API carries JSON, and no binary data: {error}") from error
        answer = await self._ask("POST", f"/api/{op}", encoded)
        reached = answer.get("reached")
        return reached if isinstance(reached, int) else 0

    async def request(self, body: Mapping[str, Any], timeout: float) -> Any:
        try:
            encoded = json.dumps({**body, "source": self._source})
        except TypeError as error:
            raise HttpFailed(f"the HTTP API carries JSON, and no binary data: {error}") from error
        return (await self._ask("POST", "/api/request", encoded, timeout)).get("answer")

    async def is_there(self) -> None:
        """Raises an error unless the bus is reachable over HTTP and accepts the key."""
        await self._ask("GET", "/api/ready", None)

    async def _ask(
        self, method: str, path: str, body: str | None, timeout: float | None = None
    ) -> dict[str, Any]:
        limit = self._timeout if timeout is None else aiohttp.ClientTimeout(total=timeout)
        # A session of each request needs no end: the fallback is also used after the shutdown.
        connector = aiohttp.TCPConnector(ssl=self._tls if self._tls is not None else True)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=limit) as session,
                session.request(
                    method, self._url + path, data=body, headers=self._headers, allow_redirects=False
                ) as response,
            ):
                status, read = response.status, bytearray()
                async for part in response.content.iter_chunked(65_536):
                    read += part
                    if len(read) > MAX_ANSWER:
                        raise HttpFailed("the response is too large", status)
        except TimeoutError as error:
            raise HttpFailed("the bus did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise HttpFailed(f"the bus cannot be reached: {error}") from error
        try:
            answer = json.loads(read)
        except ValueError:
            # A response that is not JSON carries no information besides its status.
            answer = {}
        answer = answer if isinstance(answer, dict) else {}
        if 200 <= status < 300:
            return answer
        error = answer.get("error")
        reason = str(error.get("message", "")) if isinstance(error, dict) else ""
        if status == 401:
            raise Denied(reason)
        if path == "/api/request" and isinstance(error, dict) and "code" in error:
            raise RequestFailed(reason, str(error["code"]))
        raise HttpFailed(f"the bus answered {status}: {reason}", status)
