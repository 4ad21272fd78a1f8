"""Life Hub stopped, frozen, read-only and full while runs finish: all arrive later, once."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from chalicelib.lifehub.publisher import Publisher
from chalicelib.lifehub.schema import migrate
from chalicelib.store import Store, outbox
from tests.conftest import ManualClock, define
from tests.faults.conftest import Measured
from tests.life_hub import Server, ask, publisher, run_ends, seconds

pytestmark = pytest.mark.faults
RUNS = int(os.environ.get("LIFE_HUB_RUNS", "900"))  # `make faults` takes more
JOBS = 10
PATIENCE = 2.0


@pytest.fixture
def hub() -> Iterator[Server]:
    server = Server()
    migrate(server.url())
    yield server
    server.stop()
    if (disk := server.home / "disk").is_mount():
        subprocess.run(["umount", disk], check=True)
    server.close()


def waiting(store: Store) -> int:
    with store.read() as tx:
        return outbox.lag(tx).waiting


class Runs:
    """Runs that end while a publisher tries to copy them beside."""

    def __init__(self, store: Store, clock: ManualClock, copier: Publisher) -> None:
        self.store, self.clock, self.copier = store, clock, copier
        self.ended: list[tuple[str, int]] = []
        self.errors: list[str | None] = []
        for n in range(JOBS):
            define(store, clock, f"j{n}", "0 0 1 1 *")

    def end(self, count: int) -> float:
        """Let so many runs end while the publisher keeps trying; return the median seconds of one."""
        over = threading.Event()

        def copy() -> None:
            while not over.is_set():
                self.errors.append(self.copier.publish().error)
                over.wait(0.05)

        beside = threading.Thread(target=copy)
        beside.start()
        try:
            taken = [seconds(lambda n=n: self._one(n)) for n in range(count)]  # type: ignore[misc]
        finally:
            over.set()
            beside.join(60)
        assert not beside.is_alive()
        return statistics.median(taken)

    def _one(self, n: int) -> None:
        self.ended.append(run_ends(self.store, self.clock, f"j{n % JOBS}", said=("a line of output\n",)))

    def arrived_once(self, url: str) -> None:
        rows = ask(
            url,
            "SELECT metadata->>'run_id', (metadata->>'attempt')::int FROM ops.runs WHERE metadata ? 'run_id'",
        )
        assert Counter(rows) == Counter(self.ended)


def read_only(server: Server) -> Callable[[], None]:
    ask(server.url(), "ALTER DATABASE postgres SET default_transaction_read_only = on")
    cut_off(server)
    return lambda: mend_read_only(server)


def mend_read_only(server: Server) -> None:
    writing = f"{server.url()}&options=-c%20default_transaction_read_only%3Doff"
    ask(writing, "ALTER DATABASE postgres RESET default_transaction_read_only")
    cut_off(server)


def cut_off(server: Server) -> None:
    ask(
        server.url(),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sauron'",
    )


def stopped(server: Server) -> Callable[[], None]:
    server.stop()
    return server.start


def frozen(server: Server) -> Callable[[], None]:
    server.freeze()
    return server.thaw


def locked(server: Server) -> Callable[[], None]:
    """A peer that holds the table and does not let go."""
    import psycopg

    connection = psycopg.connect(server.url().replace("+psycopg", ""))
    connection.execute("LOCK ops.runs IN ACCESS EXCLUSIVE MODE")
    return connection.close


def full(server: Server) -> Callable[[], None]:
    """A full disk: a real one of 8 MB where mounting is allowed, else the error that such a disk gives."""
    disk = server.home / "disk"
    disk.mkdir()
    size = "size=8m"
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", disk], capture_output=True, check=False
    ).returncode:
        ask(server.url(), "CREATE FUNCTION ops.full() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE 'could not extend file: No space left on device'"
            " USING ERRCODE = 'disk_full'; END $$")  # fmt: skip
        ask(
            server.url(),
            "CREATE TRIGGER filled BEFORE INSERT ON ops.runs FOR EACH ROW EXECUTE FUNCTION ops.full()",
        )
        return lambda: ask(server.url(), "DROP TRIGGER filled ON ops.runs") and None  # type: ignore[return-value]
    os.chown(disk, server.owner.st_uid, server.owner.st_gid)
    ask(server.url(), f"CREATE TABLESPACE small LOCATION '{disk}'")
    ask(server.url(), "ALTER TABLE ops.runs SET TABLESPACE small")
    ask(server.url(), "ALTER INDEX ops.runs_job_key_started_at_key SET TABLESPACE small")
    ballast = disk / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600)
    with contextlib.suppress(OSError):
        while os.write(descriptor, bytes(4096)):
            pass
    os.close(descriptor)

    def mend() -> None:
        ballast.unlink()
        ask(server.url(), "ALTER TABLE ops.runs SET TABLESPACE pg_default")
        ask(server.url(), "ALTER INDEX ops.runs_job_key_started_at_key SET TABLESPACE pg_default")
        ask(server.url(), "CHECKPOINT")
        ask(server.url(), "DROP TABLESPACE small")

    return mend


def test_runs_finish_through_every_outage_and_arrive_once(
    store: Store, clock: ManualClock, hub: Server, measured: Measured
) -> None:
    """Life Hub is stopped, frozen, read-only, locked and full, while runs end."""
    copier = publisher(store, clock, hub.url(), batch=PATIENCE)
    runs = Runs(store, clock, copier)
    share = RUNS // 6
    usual = runs.end(share)
    assert copier.publish().waiting == 0
    figures = {"well": usual}
    for outage in (stopped, frozen, read_only, locked, full):
        mend = outage(hub)
        runs.errors.clear()
        try:
            figures[outage.__name__] = runs.end(share)
            told = {error for error in runs.errors if error}
            assert told, f"{outage.__name__} was not noticed"
            assert waiting(store) > 0
        finally:
            mend()
        done = copier.publish()
        if done.error:  # the connection that the outage broke
            done = copier.publish()
        assert (done.error, done.waiting) == (None, 0), outage.__name__
        runs.arrived_once(hub.url())
        print(f"{outage.__name__}: {sorted(told)}")
    copier.close()
    assert len(runs.ended) == 6 * share
    medians = ", ".join(f"{name} {median * 1000:.1f} ms" for name, median in figures.items())
    measured(f"{len(runs.ended)} attempts, each copied once; a run took, median: {medians}")


def test_a_frozen_life_hub_holds_a_pass_no_longer_than_its_patience(
    store: Store, clock: ManualClock, hub: Server, measured: Measured
) -> None:
    """All processes of Life Hub are stopped (SIGSTOP)."""
    define(store, clock, "j", "0 0 1 1 *")
    run_ends(store, clock, "j")
    copier = publisher(store, clock, hub.url(), batch=PATIENCE)
    assert copier.publish().error is None
    run_ends(store, clock, "j")
    hub.freeze()
    try:
        held = seconds(copier.publish)  # on the connection that is there
        again = seconds(copier.publish)  # on a new one
    finally:
        hub.thaw()
    measured(f"a pass took {held:.1f} s, with a new connection {again:.1f} s; its limit is {PATIENCE:g} s")
    assert held < PATIENCE + 10
    assert again < PATIENCE + 10
    assert waiting(store) == 1
    assert copier.publish().waiting == 0
    copier.close()
    assert ask(hub.url(), "SELECT count(*) FROM ops.runs") == [(2,)]


def test_a_backlog_of_an_hour_arrives_in_order_and_at_once(
    store: Store, clock: ManualClock, hub: Server, measured: Measured
) -> None:
    """Life Hub is away while attempts pile up."""
    copier = publisher(store, clock, hub.url())
    runs = Runs(store, clock, copier)
    hub.stop()
    for n in range(RUNS):
        runs._one(n)
    hub.start()
    took = seconds(copier.publish)
    copier.close()
    assert waiting(store) == 0
    runs.arrived_once(hub.url())
    assert [row[0] for row in ask(hub.url(), "SELECT metadata->>'run_id' FROM ops.runs ORDER BY id")] == [
        run for run, _ in runs.ended
    ]
    measured(f"{RUNS} attempts copied in {took:.2f} s ({RUNS / took:.0f} a second)")
