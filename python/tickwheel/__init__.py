# SPDX-License-Identifier: MIT
"""asyncio's event loop with its timers in a timing wheel.

    import asyncio
    import tickwheel

    async def main():
        await asyncio.sleep(0.1)

    tickwheel.run(main())

All that asyncio documents of a loop holds for this one. What differs: starting and
cancelling a timer take the same short time however many there are, a cancelled
timer gives its memory back at once, no timer is early, and calls with the same
time are made in the order of scheduling.
"""

from ._core import TimerHandle, library_version
from ._loop import EventLoop, EventLoopPolicy, TimersMixin, install, new_event_loop, run

__all__ = (
    "EventLoop",
    "EventLoopPolicy",
    "TimerHandle",
    "TimersMixin",
    "install",
    "library_version",
    "new_event_loop",
    "run",
)
__version__ = library_version
