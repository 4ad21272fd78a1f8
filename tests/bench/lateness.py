"""How late runs start that a tick queued ahead for an instant: alone, and while browsers stay fresh."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx

from chalicelib.model.runs import RunId, new_run_id
from chalicelib.store import Store, history
from chalicelib.store.queue import enqueue
from chalicelib.wakeup.peers import Peers
from tests.bench.measuring import Server, percentile, say, serving

BROWSERS = 10
EVERY = 4.0  # seconds between two questions of a page, as in web/live.js
OPEN = ("/", "/ui/next", "/ui/jobs", "/ui/runs", "/ui/jobs/stamp", "/ui/bundle")


def bench_lateness() -> None:
    """How late runs start with all workers idle."""
    with serving() as server, _store(server) as store:
        server.http.post("/jobs/stamp/trigger")  # the first run of a process finds nothing warm
        for at_once, rounds in ((1, 100), (4, 25), (8, 12)):
            late = _late(server, store, at_once=at_once, rounds=rounds)
            say(f"lateness, {at_once} due at once, median", percentile(late, 0.5), "ms")
            say(f"lateness, {at_once} due at once, p99", percentile(late, 0.99), "ms", f"of {len(late)}")


def bench_browsers(blocks: int = 4, rounds: int = 12) -> None:
    """How late runs start while ten browsers keep their pages fresh, beside the same without them.

    Blocks with and without browsers take turns, so that what else the machine does counts for both.
    """
    alone: list[float] = []
    watched: list[float] = []
    loads = [0]
    with serving() as server, _store(server) as store:
        server.http.post("/jobs/stamp/trigger")
        for page in OPEN:
            server.http.get(page)  # the first view of a process compiles the page
        for _ in range(blocks):
            alone += _late(server, store, at_once=3, rounds=rounds)
            with _browsers(str(server.http.base_url), loads):
                watched += _late(server, store, at_once=3, rounds=rounds)
    for share, word in ((0.5, "median"), (0.99, "p99")):
        without, beside = percentile(alone, share), percentile(watched, share)
        told = f"{beside / without:.2f} x without; {len(watched)} runs, {loads[0]} pages loaded"
        say(f"lateness with {BROWSERS} browsers open, {word}", beside, "ms", told)


@contextlib.contextmanager
def _store(server: Server) -> Iterator[Store]:
    store = Store(f"sqlite:///{server.folder}/.sauron/sauron.sqlite3")
    yield store
    store.close()


def _late(server: Server, store: Store, *, at_once: int, rounds: int) -> list[float]:
    """Return by how many milliseconds the runs were late that were due together, several times."""
    late = []
    for _ in range(rounds):
        now = datetime.now(UTC)
        row = {"job_id": "stamp", "state": "queued", "origin": "trigger", "max_attempts": 1, "force": True}
        ids = [new_run_id() for _ in range(at_once)]
        due = now + timedelta(seconds=0.5)
        with store.write() as tx:
            enqueue.put(tx, [row | {"id": one, "created_at": now, "due_at": due} for one in ids])
        Peers(server.folder / ".sauron" / "sauron.sqlite3.runners").notify()
        time.sleep(1.2)  # asking takes processor time: never while runs are due
        server.wait(lambda ids=ids: len(_began(store, ids)) == len(ids))  # type: ignore[misc]
        late += [(at - due.timestamp()) * 1000 for at in _began(store, ids)]
    return late


def _began(store: Store, ids: list[RunId]) -> list[float]:
    """Return when those of these runs began that are over."""
    with store.read() as tx:
        runs = [history.run(tx, one) for one in ids]
    return [one.result["at"] for one in runs if one is not None and one.result is not None]


@contextlib.contextmanager
def _browsers(url: str, loads: list[int]) -> Iterator[None]:
    """Keep pages open in several browsers, which ask for changes as our script does."""
    over = threading.Event()

    def browse(number: int) -> None:
        page, tag = OPEN[number % len(OPEN)], ""
        over.wait(EVERY * number / BROWSERS)
        with httpx.Client(base_url=url, timeout=30) as http:
            while not over.is_set():
                answer = http.get(f"/ui/events?page={quote(page)}", headers={"If-None-Match": tag})
                if answer.status_code == httpx.codes.OK:
                    tag = answer.headers["etag"]
                    http.get(page, headers={"X-Sauron-Version": tag}).raise_for_status()
                    loads[0] += 1
                over.wait(EVERY)

    open_now = [threading.Thread(target=browse, args=(number,)) for number in range(BROWSERS)]
    for one in open_now:
        one.start()
    try:
        yield
    finally:
        over.set()
        for one in open_now:
            one.join()
