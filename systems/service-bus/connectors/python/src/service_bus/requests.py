"""Requests that a service sends and answers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .errors import RequestFailed
from .events import Event, incoming


class Requests:
    def __init__(self) -> None:
        self._by_kind: dict[str, Callable[[Event], Any]] = {}
        self.handlers = {"bus:request": self._answer}

    def set(self, kind: str, handler: Callable[[Event], Any]) -> None:
        self._by_kind[kind] = handler

    async def _answer(self, data: dict[str, Any]) -> dict[str, Any]:
        event = incoming("bus:request", data)
        handler = None if event is None else self._by_kind.get(event.type)
        if event is None or handler is None:
            return {"refused": f"there is no handler of {data.get('type')}"}
        try:
            answer = handler(event)
            if inspect.isawaitable(answer):
                answer = await answer
            return {"answer": answer}
        except Exception as error:
            return {"refused": str(error)}


def answer_of(answer: dict[str, Any]) -> Any:
    """The answer of a service, in the one of the bus."""
    if "answer" in answer:
        return answer["answer"]
    failed = answer.get("failed")
    if isinstance(failed, dict):
        raise RequestFailed(str(failed.get("message", "")), str(failed.get("code", "")))
    raise RequestFailed(str(answer.get("error", "")), "refused")
