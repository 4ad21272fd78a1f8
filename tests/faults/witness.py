"""What is true after a fault, by the database's own triggers and the jobs' journal, not by the runners.

The triggers note every claim and every end of an attempt as PostgreSQL saw it: a finish that did not test its
fence shows. Each job notes its start and its end in one file, and holds a file lock of its run while it
executes, which the operating system lets go when it dies: a run that executes beside itself finds the lock
taken. The times are of the machine's one monotonic clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.life_hub import ask

WATCH = """
CREATE TABLE witness (seq bigserial PRIMARY KEY, run text, act text, generation int, owner text, state text,
  at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state = 'running' AND OLD.state <> 'running' THEN
    INSERT INTO witness VALUES (DEFAULT, NEW.id, 'claimed', NEW.lease_generation, NEW.lease_owner, NEW.state);
  ELSIF OLD.state = 'running' AND NEW.state <> 'running' THEN
    INSERT INTO witness VALUES (DEFAULT, NEW.id, 'ended', OLD.lease_generation, OLD.lease_owner, NEW.state);
  ELSIF OLD.finished_at IS NOT NULL
    AND (OLD.state, OLD.finished_at) IS DISTINCT FROM (NEW.state, NEW.finished_at) THEN
    INSERT INTO witness VALUES (DEFAULT, NEW.id, 'revived', OLD.lease_generation, OLD.state, NEW.state);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER watch AFTER UPDATE ON job_queue FOR EACH ROW EXECUTE FUNCTION watch();
"""
DOUBLE = "SELECT job_id, fire_at FROM job_queue WHERE fire_at IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1"
OPEN = (
    "SELECT count(*) FROM job_queue WHERE finished_at IS NULL"
    " AND (due_at <= now() OR attempt > 0 OR origin = 'trigger')"
)
ENDED = "SELECT run, generation FROM witness WHERE act = 'ended' GROUP BY 1, 2 HAVING count(*) > 1"
OVERWRITTEN = """
SELECT a.run_id, a.number FROM attempts a JOIN job_queue q ON q.id = a.run_id
WHERE a.outcome = 'interrupted' AND q.state = 'succeeded' AND a.number = q.attempt
"""


@dataclass(frozen=True)
class Noted:
    """A line of the journal."""

    act: str  # start, end, or beside: the run's lock was taken
    run: str
    attempt: int
    at: float


@dataclass(frozen=True)
class Figures:
    """What a fault cost."""

    triggers: int
    attempts: int
    lost: int  # attempts that ended as interrupted
    executed_again: int  # runs whose job came to its end more than once
    beside: int  # attempts that began while an earlier one of the run still executed

    def __str__(self) -> str:
        return (
            f"{self.triggers} triggers acknowledged, {self.attempts} attempts, {self.lost} interrupted, "
            f"{self.executed_again} runs executed to the end more than once, {self.beside} beside themselves"
        )


class Witness:
    """Watches one database and one journal."""

    def __init__(self, url: str, journal: Path) -> None:
        self.url, self.journal = url, journal
        ask(url, WATCH)

    def noted(self) -> list[Noted]:
        lines = self.journal.read_text(encoding="utf-8").splitlines() if self.journal.exists() else []
        return [Noted(act, run, int(attempt), float(at)) for act, run, attempt, at in map(str.split, lines)]

    def open(self) -> int:
        """Return how many runs are due and not over."""
        return int(ask(self.url, OPEN)[0][0])

    def attest(self, acknowledged: Sequence[str], *, beside: int = 0) -> Figures:
        """Assert what holds after every fault; `beside` attempts may have begun beside a lost one."""
        states = dict(ask(self.url, "SELECT id, state FROM job_queue"))
        assert [run for run in acknowledged if run not in states] == []  # no acknowledged trigger is lost
        wrong = [run for run in acknowledged if states[run] != "succeeded"]
        found = ask(
            self.url, "SELECT id, job_id, state, attempt, error FROM job_queue WHERE id = ANY(%s)", wrong
        )
        assert not found, found
        assert ask(self.url, DOUBLE) == []  # an occurrence is one run at most
        assert ask(self.url, ENDED) == []  # each lease ends once
        assert ask(self.url, OVERWRITTEN) == []  # what was taken over is not recorded as if it had not been
        assert ask(self.url, "SELECT * FROM witness WHERE act = 'revived'") == []
        claimed = Counter(ask(self.url, "SELECT run, generation FROM witness WHERE act = 'claimed'"))
        assert max(claimed.values()) == 1
        noted = self.noted()
        started = Counter((one.run, one.attempt) for one in noted if one.act == "start")
        assert max(started.values()) == 1  # no attempt is started twice
        ended = Counter(one.run for one in noted if one.act == "end")
        assert set(acknowledged) <= set(ended)
        besides = [one for one in noted if one.act == "beside"]
        assert len(besides) <= beside, besides
        lost = ask(self.url, "SELECT count(*) FROM attempts WHERE outcome = 'interrupted'")[0][0]
        return Figures(
            len(acknowledged), len(started), lost, sum(n > 1 for n in ended.values()), len(besides)
        )
