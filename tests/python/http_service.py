# SPDX-License-Identifier: MIT
"""An HTTP service that nobody here wrote, aiohttp, on each of the loops.

    http_service.py [LOOP...] [--connections N]

Server and client are aiohttp's, in one process, over loopback. Each of N
connections is kept alive over several requests, each of which has a timeout; one
in four then asks for an answer that does not come, and must get a timeout instead.
After that N connections to a second server are left idle, until its keep-alive
timeouts close them. What has happened must be the same on every loop.
"""

import argparse
import asyncio
import resource
import sys
import time

import aiohttp
import tickwheel
import uvloop

from aiohttp import web

REQUESTS = 4
SHORT_S = 0.5             # a timeout that is meant to pass
ENOUGH_S = 100.0          # one that is not
CONNECTIONS = 2000


class OnUvloop(tickwheel.TimersMixin, uvloop.Loop):
    pass


LOOPS = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
    "tickwheel": tickwheel.new_event_loop,
    "tickwheel on uvloop": OnUvloop,
}


class Service:
    def __init__(self, keep_alive_s):
        self.keep_alive_s = keep_alive_s
        self.connections = set()   # their transports, as the server sees them
        self.late = 0              # answers that nobody waits for any more
        self.over = asyncio.Event()

    async def answer(self, request):
        self.connections.add(request.transport)
        return web.json_response({"number": int(request.match_info["number"])})

    async def never(self, request):
        await self.over.wait()
        self.late += 1
        return web.Response()

    async def start(self):
        app = web.Application()
        app.router.add_get("/answer/{number}", self.answer)
        app.router.add_get("/never", self.never)
        self.runner = web.AppRunner(app, keepalive_timeout=self.keep_alive_s, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, backlog=4096).start()
        return "http://127.0.0.1:%d" % self.runner.addresses[0][1]


async def ask(session, base, number, counts):
    async with session.get(f"{base}/answer/{number}") as response:
        counts["right"] += (await response.json())["number"] == number


async def client(session, base, number, counts):
    for request in range(REQUESTS):
        await ask(session, base, number + request, counts)
    if number % 4 == 0:
        try:
            async with session.get(f"{base}/never", timeout=aiohttp.ClientTimeout(total=SHORT_S)):
                counts["answered"] += 1
        except asyncio.TimeoutError:
            counts["timeouts"] += 1


async def use(connections):
    busy, idle = Service(ENOUGH_S), Service(SHORT_S)
    busy_base, idle_base = await busy.start(), await idle.start()
    counts = {"right": 0, "answered": 0, "timeouts": 0}
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=ENOUGH_S)
    timeout = aiohttp.ClientTimeout(total=ENOUGH_S, sock_read=ENOUGH_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        await asyncio.gather(*(client(session, busy_base, number, counts)
                               for number in range(connections)))
        await asyncio.gather(*(ask(session, idle_base, number, counts)
                               for number in range(connections)))
        # The client keeps them; it is the server that gives them up.
        while not all(transport.is_closing() for transport in idle.connections):
            await asyncio.sleep(0.05)
    busy.over.set()
    await busy.runner.cleanup()
    await idle.runner.cleanup()
    counts["kept alive"] = len(busy.connections)
    counts["closed when idle"] = len(idle.connections)
    counts["late"] = busy.late
    return counts


def run(name, connections):
    loop = LOOPS[name]()
    asyncio.set_event_loop(loop)
    wall, cpu = time.monotonic(), time.process_time()
    counts = loop.run_until_complete(use(connections))
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    loop.run_until_complete(loop.shutdown_asyncgens())
    asyncio.set_event_loop(None)
    loop.close()
    print(f"{name:20} {counts}  {cpu:.2f} s of processor time, {wall:.2f} s", flush=True)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("loops", nargs="*", metavar="LOOP", help=", ".join(LOOPS))
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = options.connections
    if hard != resource.RLIM_INFINITY:
        connections = min(connections, (hard - 100) // 2)
    timeouts = (connections + 3) // 4
    expected = {"right": connections * (REQUESTS + 1), "answered": 0, "timeouts": timeouts,
                "kept alive": connections, "closed when idle": connections, "late": timeouts}
    print("expected:           ", expected)
    results = [run(name, connections) for name in options.loops or LOOPS]
    return 0 if all(counts == expected for counts in results) else 1


if __name__ == "__main__":
    sys.exit(main())
