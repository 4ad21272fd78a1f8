"""A time limit for a whole request: that of httpx is for each step.

A server that sends a byte now and then would else hold whoever asked it for as long as it likes.

Limit: the client is closed from outside, so what waits on its socket notices at the end of its step.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


@contextmanager
def closed_after(client: httpx.Client, seconds: float) -> Iterator[None]:
    """Close a client whose request is not over in time. What then fails is raised as httpx.ReadTimeout."""
    import httpx

    timer = threading.Timer(seconds, client.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if timer.finished.is_set():
            raise httpx.ReadTimeout(f"no whole answer within {seconds:g} s") from error
        raise
    finally:
        timer.cancel()
