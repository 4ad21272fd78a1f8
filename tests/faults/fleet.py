"""Four real runners on one real PostgreSQL, each behind its own network, with triggers and schedules."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from tests.e2e.outside import Repository, Serve, Served, command, wait_for
from tests.faults.proxy import Proxy
from tests.faults.witness import Figures, Witness
from tests.life_hub import Server, ask
from tests.loopback import NO_TLS

RUNNERS = 4
PAUSE = 0.12  # seconds between two triggers
MANIFEST = """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.work import lasting, note, patient, some

often = {"max_attempts": 50, "retry_backoff_seconds": 0}
job_registry.register(JobConfig(id="note", cron="0 0 1 1 *", func=note, overlap="allow", **often))
job_registry.register(JobConfig(id="some", cron="0 0 1 1 *", func=some, overlap="allow", **often))
job_registry.register(JobConfig(id="alone", cron="0 0 1 1 *", func=note, overlap="queue", **often))
job_registry.register(JobConfig(id="lasting", cron="0 0 1 1 *", func=lasting, timeout_seconds=900, **often))
job_registry.register(
    JobConfig(id="patient", cron="0 0 1 1 *", func=patient, overlap="allow", max_attempts=1))
for number in range(6):
    job_registry.register(JobConfig(id=f"minute-{number}", cron="* * * * *", func=note, **often))
"""
JOBS = """
import fcntl, os, time

HOME = os.environ["HOME"]

def say(act, ctx):
    file = os.open(f"{HOME}/journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{act} {ctx.run_id} {ctx.attempt} {time.monotonic()}\\n".encode())
    os.close(file)

def held(name):
    file = os.open(f"{HOME}/{name}.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

def work(ctx, seconds):
    if not held(ctx.run_id) or (ctx.job_id == "alone" and not held("alone")):
        say("beside", ctx)
    say("start", ctx)
    time.sleep(seconds)
    say("end", ctx)

def note(ctx):
    work(ctx, 0.1)

def some(ctx):
    work(ctx, 4)

def lasting(ctx):
    work(ctx, 600 if ctx.attempt == 1 else 0.1)

def patient(ctx):
    work(ctx, 60)
"""


class Workload:
    """Triggers sent to every runner in turn; the acknowledged ones are noted, the failed ones are not."""

    def __init__(self, runners: list[Served]) -> None:
        self.runners = runners
        self.acknowledged: list[str] = []
        self.answered: list[tuple[float, int]] = []  # when, by which runner
        self.refused: Counter[str] = Counter()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(len(runners))]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        jobs = itertools.cycle(["note", "note", "alone", "note", "some", "note"])
        with httpx.Client(timeout=httpx.Timeout(8), trust_env=False, verify=NO_TLS) as http:
            while not self._over.wait(PAUSE * len(self.runners)):
                try:
                    answer = http.post(f"{self.runners[number].url}/jobs/{next(jobs)}/trigger", json={})
                except httpx.HTTPError as error:
                    self.refused[type(error).__name__] += 1
                    continue
                if answer.status_code == 200:
                    self.acknowledged.append(answer.json()["queue_id"])
                    self.answered.append((time.monotonic(), number))
                else:
                    self.refused[str(answer.status_code)] += 1

    def since(self, instant: float, runners: set[int]) -> set[int]:
        """Return which of these runners acknowledged a trigger after an instant."""
        return {number for at, number in self.answered if at > instant} & runners

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)


class Fleet:
    """The runners, their networks, their database and who watches them."""

    def __init__(
        self,
        server: Server,
        serve: Serve,
        repository: Repository,
        home: Path,
        *,
        together: bool = False,
        environs: Sequence[dict[str, str]] = (),
    ) -> None:
        """Start all; `together`: they share a folder, as on one machine, and see each other's death."""
        repository.commit({"manifest.py": MANIFEST, "jobs/work.py": JOBS})
        socket = next(iter(Path(server.url().partition("host=")[2]).glob(".s.PGSQL.*[0-9]")))
        self.server, self.home, self._repository = server, home, repository
        self.proxies = [Proxy(socket) for _ in range(RUNNERS)]
        self.witness: Witness
        self.runners: list[Served] = []
        self._serve, self._together = serve, together
        self._environs = [*environs, *[{}] * RUNNERS]
        for number in range(RUNNERS):
            self.runners.append(self.start(number))
            if number == 0:
                self.runners[0].until_synced()
                self.witness = Witness(server.url(), home / "journal")
        for runner in self.runners[1:]:
            runner.until_synced()
        wait_for(
            lambda: len(self.runners[0].http.get("/status").json()["runners"]) == RUNNERS,
            what="all are there",
        )
        self.workload = Workload(self.runners)
        self.began = time.monotonic()

    def trigger(self, number: int, job_id: str) -> str:
        """Trigger at a runner, and have the run among those that must not be lost."""
        run_id = self.runners[number].trigger(job_id)
        self.workload.acknowledged.append(run_id)
        return run_id

    def start(self, number: int) -> Served:
        shared = {"JOBS_DIR": str(self.home / "jobs")} if self._together else {}
        known = {"JOB_QUEUE_DB_URL": self.proxies[number].url, "HOME": str(self.home), "SAURON_WORKERS": "6"}
        return self._serve(f"runner-{number}", **known, **shared, **self._environs[number])

    def warm_up(self, seconds: float = 5.0) -> None:
        """Let them work for a while, until every one has executed something."""
        wait_for(
            lambda: ask(self.server.url(), "SELECT count(DISTINCT runner) FROM attempts") == [(RUNNERS,)],
            what="all execute",
        )
        began = time.monotonic()
        wait_for(lambda: time.monotonic() - began > seconds, what="a while passes")

    def owner(self, run_id: str) -> int | None:
        """Return which runner executes a run now."""
        found = ask(
            self.server.url(), "SELECT lease_owner FROM job_queue WHERE id = %s AND state = 'running'", run_id
        )
        started = any(one.run == run_id for one in self.witness.noted())
        pids = [runner.process.pid for runner in self.runners]
        return pids.index(int(found[0][0].rsplit("-", 2)[1])) if found and started else None

    def executing(self, job_id: str) -> int:
        """Wait until a run of a job executes, and answer at which runner."""

        def found() -> list[int]:
            runs = ask(
                self.server.url(), "SELECT id FROM job_queue WHERE job_id = %s AND state = 'running'", job_id
            )
            return [one for (run,) in runs if (one := self.owner(run)) is not None]

        return wait_for(found, what=f"{job_id} executes")[0]

    def holds_some(self, number: int) -> str:
        """Wait until a runner is in the middle of a longer run, and return the run."""
        name = self.name(number)
        query = "SELECT id FROM job_queue WHERE state = 'running' AND job_id = 'some' AND lease_owner = %s"

        def started() -> str | None:
            runs = {run for (run,) in ask(self.server.url(), query, name)}
            ended = {one.run for one in self.witness.noted() if one.act == "end"}
            return next(
                (one.run for one in self.witness.noted() if one.act == "start" and one.run in runs - ended),
                None,
            )

        return wait_for(started, what=f"{name} executes")

    def name(self, number: int) -> str:
        pid = self.runners[number].process.pid
        return str(ask(self.server.url(), "SELECT name FROM runners WHERE pid = %s", pid)[0][0])

    def left(self, number: int) -> int:
        """Return how many runs a runner holds."""
        query = "SELECT count(*) FROM job_queue WHERE state = 'running' AND lease_owner LIKE %s"
        return int(ask(self.server.url(), query, f"%-{self.runners[number].process.pid}-%")[0][0])

    def all_answer(self, since: float, *, but: frozenset[int] = frozenset(), seconds: float = 60) -> float:
        """Wait until each runner (but those) acknowledged a trigger after an instant; return the seconds."""
        wanted = set(range(RUNNERS)) - but
        wait_for(
            lambda: self.workload.since(since, wanted) == wanted,
            what="all acknowledge triggers again",
            seconds=seconds,
        )
        return (
            max(min(at for at, by in self.workload.answered if by == one and at > since) for one in wanted)
            - since
        )

    def settle(self, *, beside: int = 0, seconds: float = 60) -> Figures:
        """End the workload, wait until all that is due is over, and assert all promises."""
        wait_for(
            lambda: len(self.workload.acknowledged) >= 40,
            what="40 triggers are acknowledged",
            seconds=seconds,
        )
        self.workload.end()
        wait_for(lambda: self.witness.open() == 0, what="all that is due is over", seconds=seconds)
        living = next(one for one in reversed(self.runners) if one.process.poll() is None)
        found = living.http.get("/audit").json()
        assert found["clean"], found
        audit = command(
            living.folder,
            "audit",
            JOBS_GIT_REPO_URL=str(self._repository.folder),
            JOB_QUEUE_DB_URL=self.proxies[0].url,
        )
        assert audit.code == 0, audit
        return self.witness.attest(self.workload.acknowledged, beside=beside)

    def close(self) -> None:
        self.workload.end()
        for runner in self.runners:
            runner.process.send_signal(signal.SIGCONT)
            runner.process.kill()
        for proxy in self.proxies:
            proxy.close()
        for runner in self.runners:
            runner.close()


FleetOf = Callable[..., Fleet]
