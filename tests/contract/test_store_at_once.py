"""Several runners on one store: what holds on SQLite with its one writer holds on PostgreSQL too."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from chalicelib.answers.audit import audit
from chalicelib.errors import SauronError, UntilError
from chalicelib.execution.rescue import Rescuer, StandstillDetector
from chalicelib.model.runs import FINAL, Outcome, Run, RunId, RunState, Verdict
from chalicelib.operations.operations import Operations, SwitchRequest
from chalicelib.scheduling.tick import tick
from chalicelib.store import Store, bundle, duties, history, job_state, registry
from chalicelib.store.database import Tx
from chalicelib.store.queue import claims
from chalicelib.store.queue import finish as queue
from tests.conftest import ManualClock, define

pytestmark = pytest.mark.every_store

SECONDS = 4.0
ENOUGH, AT_MOST = 13, 60.0  # runs that each of four runners begins, and the seconds that it has for them
POLICIES = ("skip", "queue", "replace", "allow")
NAMES = [f"{policy}-{number}" for policy in POLICIES for number in range(2)]


class FastClock:
    """A wall clock on which a minute passes in a tenth of a second, the same for all."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def now(self) -> datetime:
        return datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC) + timedelta(
            seconds=600 * (time.monotonic() - self.began)
        )

    def monotonic(self) -> float:
        return time.monotonic()


def together(*acts: Callable[[], None]) -> None:
    """Do all of it at once, and fail if one fails."""
    failures: list[BaseException] = []

    def body(act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - a thread reports what it met
            failures.append(error)

    threads = [threading.Thread(target=body, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Runner:
    """One runner: it ticks, triggers, claims, finishes, switches and rescues in any order."""

    def __init__(self, store: Store, clock: FastClock, number: int) -> None:
        self.store, self.clock, self.name = (
            Store(store.url.render_as_string(hide_password=False)),
            clock,
            f"runner-{number}",
        )
        self.random = random.Random(number)  # noqa: S311 - repeatable, not secret
        self.held: list[Run] = []
        self.ended: dict[tuple[str, int], tuple[float, float]] = {}
        self.begun: dict[tuple[str, int], float] = {}
        self.triggered: list[str] = []
        self.rescuer = Rescuer(
            self.store, clock, StandstillDetector(clock), owner=self.name, gone=lambda owner: owner == "dead"
        )

    def run(self) -> None:
        acts = [
            self.tick,
            self.trigger,
            self.claim,
            self.claim,
            self.claim,
            self.finish,
            self.finish,
            self.switch,
            self.rescue,
        ]
        began = time.monotonic()
        while (gone := time.monotonic() - began) < SECONDS or (len(self.begun) < ENOUGH and gone < AT_MOST):
            self.random.choice(acts)()
        while self.held:
            self.finish()
        self.store.close()

    def tick(self) -> None:
        tick(self.store, self.clock)

    def trigger(self) -> None:
        with contextlib.suppress(SauronError):
            self.triggered.append(Operations(self.store, self.clock).trigger(self.random.choice(NAMES)).id)

    def switch(self) -> None:
        until = self.clock.now() + timedelta(minutes=self.random.randint(1, 5))
        with contextlib.suppress(UntilError):  # it may be over when its turn comes: the clock is fast
            Operations(self.store, self.clock)._switch(
                self.random.choice(NAMES), SwitchRequest(until=until), enabled=self.random.random() < 0.8
            )

    def claim(self) -> None:
        dying = self.random.random() < 0.1
        owner = "dead" if dying else self.name
        # As a worker does: PostgreSQL may end a transaction in favour of another, which is then done again.
        run = self.store.writing(lambda tx: claims.claim(tx, owner=owner, now=self.clock.now()).run)
        if run:
            self.begun[run.id, run.attempt] = time.monotonic()
            if not dying:
                self.held.append(run)

    def finish(self) -> None:
        if not self.held:
            return
        run = self.held.pop(0)
        outcome = self.random.choice([Outcome.SUCCEEDED, Outcome.FAILED])
        now = self.clock.now()
        again = (
            now + timedelta(minutes=1)
            if outcome is Outcome.FAILED and run.attempt < run.max_attempts
            else None
        )
        looks = self.random.random() < 0.5
        ending = time.monotonic()

        def end(tx: Tx) -> Run | None:
            assert queue.finish(tx, run, Verdict(outcome), owner=self.name, now=now, retry_at=again)
            return claims.claim(tx, owner=self.name, now=now).run if looks else None

        if following := self.store.writing(end):
            self.held.append(following)
            self.begun[following.id, following.attempt] = time.monotonic()
        self.ended[run.id, run.attempt] = (self.begun[run.id, run.attempt], ending)

    def rescue(self) -> None:
        self.rescuer.rescue_gone()


def test_runners_that_do_everything_at_once_keep_the_ledger_whole_and_the_policies(store: Store) -> None:
    clock = FastClock()
    for name in NAMES:
        define(store, clock, name, overlap=name.partition("-")[0])  # type: ignore[arg-type] # any clock will do
    with store.write() as tx:
        bundle.change(tx, active_sha="a" * 40)
    runners = [Runner(store, clock, number) for number in range(4)]
    together(*(runner.run for runner in runners))
    tick(store, clock)
    begun: list[tuple[str, int]] = [key for runner in runners for key in runner.begun]
    assert len(begun) == len(set(begun)) > 50
    with store.read() as tx:
        assert audit(tx, now=clock.now()).holes == ()
        for runner in runners:
            assert all(history.run(tx, run_id) for run_id in runner.triggered)
        jobs = {run.id: run.job_id for run in history.runs(tx, limit=100_000)}
        assert all(job.enabled == (job.next_fire_at is not None) for job in registry.all_jobs(tx))
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for runner in runners:
        for (run_id, _), span in runner.ended.items():
            spans[jobs[RunId(run_id)]].append(span)
    for name, of_job in spans.items():
        if not name.startswith("allow"):
            assert all(before[1] <= after[0] for before, after in pairwise(sorted(of_job))), name


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
def test_of_two_runners_that_claim_at_once_one_starts_the_job(
    store: Store, clock: ManualClock, overlap: str
) -> None:
    define(store, clock, "j", "0 0 1 1 *", overlap=overlap)
    for _ in range(20):
        for _ in range(2):
            Operations(store, clock).trigger("j")
        got: list[Run] = []

        def ask(owner: str, got: list[Run] = got) -> None:
            with store.write() as tx:
                if run := claims.claim(tx, owner=owner, now=clock.now()).run:
                    got.append(run)

        together(*(lambda owner=owner: ask(owner) for owner in "abcd"))
        assert len(got) <= 1  # none, if each met a job that another was deciding about
        with store.write() as tx:
            for run in history.runs(tx, states=(RunState.QUEUED, RunState.RUNNING)):
                if run.state is RunState.RUNNING:
                    assert queue.finish(
                        tx,
                        run,
                        Verdict(Outcome.SUCCEEDED),
                        owner=str(run.lease_owner),
                        now=clock.now(),
                        retry_at=None,
                    )
                else:
                    queue.request_cancel(tx, run.id, why="over", now=clock.now())


def test_a_finish_and_a_rescue_at_once_end_an_attempt_once(store: Store, clock: ManualClock) -> None:
    define(store, clock, "j", "0 0 1 1 *", max_attempts=1)
    for _ in range(10):
        asked = Operations(store, clock).trigger("j").id
        with store.write() as tx:
            run = claims.claim(tx, owner="dead", now=clock.now()).run
        assert run
        said: list[bool] = []

        def finish(run: Run = run, said: list[bool] = said) -> None:
            said.append(
                store.writing(
                    lambda tx: queue.finish(
                        tx, run, Verdict(Outcome.SUCCEEDED), owner="dead", now=clock.now(), retry_at=None
                    )
                )
            )

        rescuer = Rescuer(store, clock, StandstillDetector(clock), owner="me", gone=lambda _owner: True)
        together(finish, lambda rescuer=rescuer, said=said: said.append(bool(rescuer.rescue_gone())))  # type: ignore[misc]
        with store.read() as tx:
            after = history.run(tx, asked)
        assert after
        assert after.state in FINAL
        assert sorted(said) == [False, True]


def test_two_first_writers_of_one_row_both_succeed(store: Store, clock: ManualClock) -> None:
    def write() -> None:
        with store.write() as tx:
            duties.duty_done(tx, duties.TICK, at=clock.now())
            job_state.put(tx, "j", "k", 1, now=clock.now())
            bundle.change(tx, tried_at=clock.now())

    together(*[write] * 8)
    with store.read() as tx:
        assert job_state.get(tx, "j", "k") == 1


def test_a_read_sees_one_state_whatever_is_written_meanwhile(store: Store, clock: ManualClock) -> None:
    with store.read() as tx:
        assert duties.duty(tx, "tick") is None
        with store.write() as other:
            duties.duty_done(other, "tick", at=clock.now())
        assert duties.duty(tx, "tick") is None


@pytest.mark.parametrize("store", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_a_connection_that_is_lost_raises_and_the_next_transaction_has_a_new_one(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    Operations(store, clock).trigger("j")
    with pytest.raises(OperationalError), store.write() as tx:  # noqa: PT012 - what raises is the block
        mine = tx.execute(text("SELECT pg_backend_pid()")).scalar()
        with store.write() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
        claims.claim(tx, owner="me", now=clock.now())
    with store.write() as tx:
        assert claims.claim(tx, owner="me", now=clock.now()).run


@pytest.mark.parametrize("store", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_what_the_url_says_wins_over_what_the_store_would_choose(store: Store) -> None:
    def asked(url: str, *names: str) -> list[str]:
        chosen = Store(url)
        with chosen.read() as tx:
            answer = [
                str(tx.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar())
                for name in names
            ]
        chosen.close()
        return answer

    url = store.url.render_as_string(hide_password=False)
    assert asked(url, "application_name", "statement_timeout", "timezone", "transaction_isolation") == [
        *("sauron", "30s", "UTC", "repeatable read")
    ]
    own = f"{url}&application_name=ours&options=-c%20statement_timeout%3D7000"
    assert asked(own, "application_name", "statement_timeout", "lock_timeout") == ["ours", "7s", "20s"]
    assert asked(f"{url}&prepare_threshold=0", "statement_timeout") == ["0"]  # a pooler gets no options


@pytest.mark.parametrize("store", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_a_result_that_jsonb_does_not_take_is_recorded_as_near_as_it_does(
    store: Store, clock: ManualClock
) -> None:
    define(store, clock, "j", "0 0 1 1 *")
    asked = Operations(store, clock).trigger("j").id
    with store.write() as tx:
        run = claims.claim(tx, owner="me", now=clock.now()).run
        assert run
        told = Verdict(Outcome.SUCCEEDED, result={"nan": float("nan"), "nul": "a\x00b", "half": "\ud800"})
        assert queue.finish(tx, run, told, owner="me", now=clock.now(), retry_at=None)
        after = history.run(tx, asked)
    assert after
    assert after.result == {"nan": None, "nul": "a\ufffdb", "half": "?"}
