"""Bare forks of a warm process, the limit of every isolation by fork: nothing is recorded, nothing is killed.

Run as a program, so that the forks do not copy what a bench has in memory:
`forks.py rate COUNT` prints forks a second, four in flight; `forks.py burst AT COUNT` forks as fast as it can
at an instant (seconds since the epoch) and prints by how many milliseconds each child was late.
"""

from __future__ import annotations

import asyncio
import decimal
import gc
import json
import logging
import os
import sqlite3
import sys
import time
import urllib.request

WARM = (asyncio, decimal, logging, sqlite3, urllib.request)  # what a bundle's jobs usually have loaded
IN_FLIGHT = 4


def rate(count: int) -> float:
    """Return forks a second; each child has a session of its own, and its result is read."""
    reading, writing = os.pipe()
    started = ended = 0
    began = time.perf_counter()
    while ended < count:
        while started < count and started - ended < IN_FLIGHT:
            if os.fork() == 0:
                os.setsid()
                os.write(writing, b'{"ok": 1}\n')
                os._exit(0)
            started += 1
        os.wait()
        os.read(reading, 10)
        ended += 1
    return count / (time.perf_counter() - began)


def burst(at: float, count: int) -> list[float]:
    """Return the lateness of children that are forked at an instant, in milliseconds."""
    reading, writing = os.pipe()
    time.sleep(max(0.0, at - time.time()))
    for _ in range(count):
        if os.fork() == 0:
            os.write(writing, f"{(time.time() - at) * 1000:012.3f}\n".encode())
            os._exit(0)
    for _ in range(count):
        os.wait()
    return [float(os.read(reading, 13)) for _ in range(count)]


if __name__ == "__main__":
    gc.freeze()
    what, *given = sys.argv[1:]
    found = rate(int(given[0])) if what == "rate" else burst(float(given[0]), int(given[1]))
    sys.stdout.write(json.dumps(found) + "\n")
