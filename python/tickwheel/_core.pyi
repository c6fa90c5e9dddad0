# SPDX-License-Identifier: MIT
import asyncio
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any, Protocol, SupportsFloat, final

from typing_extensions import TypeVarTuple, Unpack

_Args = TypeVarTuple("_Args")

library_version: str

class _Appendable(Protocol):
    def append(self, handle: TimerHandle, /) -> object: ...

@final
class TimerHandle(asyncio.TimerHandle): ...

@final
class Timers:
    debug: bool
    @property
    def closed(self) -> bool: ...
    def __new__(cls, *, system_clock: bool = False) -> Timers: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[TimerHandle]: ...
    def __contains__(self, handle: object, /) -> bool: ...
    def timeout(self, now: float, /) -> float | None: ...
    def collect(self, now: float, ready: _Appendable, /) -> None: ...
    def fileno(self, loop: asyncio.AbstractEventLoop, /) -> int: ...
    def clear(self) -> None: ...
    def close(self) -> None: ...

class LoopMethods:
    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Args]], object],
        *args: Unpack[_Args],
        context: Context | None = None,
    ) -> TimerHandle: ...
    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[_Args]], object],
        *args: Unpack[_Args],
        context: Context | None = None,
    ) -> TimerHandle: ...
