"""Mutants of the product that the simulation has to notice: each breaks one promise in a copy of the source.

A mutant is a text of one file and what stands there instead. A text that is no longer there is an error: then
the mutant is to be written anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.figures import Figures

ROOT = Path(__file__).parents[2]
SECONDS = 60  # of processor time of each core, within which a mutant is to be noticed


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: `old` becomes `new` in `file`."""

    name: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "drop the fence",
        "chalicelib/store/queue/attempt_end.py",
        '    _q.lease_owner == bindparam("owner", type_=_q.lease_owner.type),\n    _q.lease_generation == bindparam("generation", type_=_q.lease_generation.type),\n',
        "",
    ),
    Mutant(
        "queue an occurrence twice",
        "chalicelib/store/ledger.py",
        "    enqueue.put(tx, rows)\n",
        '    enqueue.put(tx, rows + [row | {"id": row["id"][:-1] + "x", "fire_at": row["fire_at"] - timedelta(seconds=1)} for row in rows])\n',
    ),
    Mutant(
        "catch up from now",
        "chalicelib/model/occurrences.py",
        "        rows.append(\n            _gap(job, schedule.after(job.cursor), last, schedule.count_between(job.cursor, last), now)\n        )\n",
        "        pass\n",
    ),
    Mutant(
        "forget an occurrence of a disabled job",
        "chalicelib/store/ledger.py",
        "        fill(tx, [job], now=now, until=at)\n        registry.put(\n",
        "        enqueue.forget_future(tx, [job.id], after=at - timedelta(minutes=2))\n        registry.put(\n",
    ),
    Mutant(
        "ignore overlap",
        "chalicelib/store/queue/overlap.py",
        "        _allows,\n        and_(SKIPS, _running(ended, _due_before)),",
        "        _allows, jobs.c.overlap == word(Overlap.SKIP),\n        and_(SKIPS, _running(ended, _due_before)),",
    ),
    Mutant(
        "skip what was not due beside another",
        "chalicelib/store/queue/overlap.py",
        "(_id_of(one, _was_due) for one in",
        "(_id_of(_was_due) for one in",
    ),
    Mutant(
        "lose an acknowledged trigger",
        "chalicelib/operations/operations.py",
        '            acts.record(tx, self._clock.now(), run=made.id)\n        log.info("run.requested", job_id=job_id, run_id=made.id',
        '            tx.rollback()\n        log.info("run.requested", job_id=job_id, run_id=made.id',
    ),
    Mutant(
        "take back at downtime what was never scheduled again",
        "chalicelib/scheduling/tick.py",
        "        registry.rewind(tx, job_id, before=first)\n",
        "        pass\n",
    ),
    Mutant(
        "rescue a living lease",
        "chalicelib/execution/rescue.py",
        "LEASE_SECONDS = 30.0",
        "LEASE_SECONDS = 3.0",
    ),
    Mutant(
        "rescue a lease that was renewed meanwhile",
        "chalicelib/execution/rescue.py",
        "    return lease.run_id, lease.generation, lease.beat\n",
        "    return lease.run_id, 0, 0\n",
    ),
    Mutant(
        "retry beyond max_attempts",
        "chalicelib/execution/retry.py",
        "    if run.attempt >= run.max_attempts:",
        "    if run.attempt > run.max_attempts:",
    ),
    Mutant(
        "move the cursor without rows",
        "chalicelib/store/ledger.py",
        "    enqueue.put(tx, rows)\n    registry.move_cursors(tx, accountings)\n",
        "    registry.move_cursors(tx, accountings)\n    enqueue.put(tx, [row for row in rows if row['state'] is RunState.MISSED])\n",
    ),
    Mutant(
        "delete history at sync",
        "chalicelib/store/ledger.py",
        "    enqueue.forget_future(tx, [job.id], after=now)\n    gone = dataclasses.replace(",
        "    from sqlalchemy import delete\n    tx.execute(delete(job_queue).where(job_queue.c.job_id == job.id))\n    gone = dataclasses.replace(",
    ),
    Mutant(
        "ignore the override at sync",
        "chalicelib/store/ledger.py",
        "    enabled = override.enabled if override else spec.enabled\n",
        "    enabled = spec.enabled\n",
    ),
    Mutant(
        "start what is disabled",
        "chalicelib/store/queue/decisions.py",
        '        Rule(_off, RunState.SKIPPED, "disabled"),\n',
        "",
    ),
    Mutant(
        "start before it is due",
        "chalicelib/store/queue/eligible.py",
        '        _q.due_at <= bindparam("now", type_=_q.due_at.type),\n',
        "",
    ),
    Mutant(
        "ignore the pool",
        "chalicelib/store/queue/pools.py",
        "    return or_(_q.pool.is_(None), running < func.coalesce(size, literal_column(str(DEFAULT_SIZE))))",
        "    return or_(_q.pool.is_(None), running < 9 + func.coalesce(size, literal_column(str(DEFAULT_SIZE))))",
    ),
    Mutant(
        "start during a pause",
        "chalicelib/store/queue/pauses.py",
        "    return or_(_q.force, overlap.DROPPABLE, ~exists().where(_in_force))",
        "    return or_(_q.force, overlap.DROPPABLE, _NOW.is_not(None))",
    ),
    Mutant(
        "let a pause begin by the clock of who paused",
        "chalicelib/store/queue/pauses.py",
        "_in_force = and_(~_p.ended, _lasts(_NOW))",
        "_in_force = and_(~_p.ended, _p.since <= _NOW, _lasts(_NOW))",
    ),
    Mutant(
        "let an ended pause last for a clock that is behind",
        "chalicelib/store/queue/pauses.py",
        "_in_force = and_(~_p.ended, _lasts(_NOW))",
        "_in_force = _lasts(_NOW)",
    ),
    Mutant(
        "run a chain twice",
        "chalicelib/store/queue/chains.py",
        "        for row in ended:\n",
        "        for row in [*ended, *(row for row in ended if row.origin == 'trigger')]:\n",
    ),
    Mutant(
        "a commit half done: the cursor in a transaction of its own",
        "chalicelib/scheduling/tick.py",
        "            if batch.jobs < BATCH:\n                duties.ticked(tx, at=now)\n",
        "            if batch.jobs < BATCH:\n                duties.ticked(tx, at=now)\n            if batch.queued:\n                tx.rollback()\n",
    ),
)


def main(part: str = "") -> Figures:
    """Try each mutant whose name has this part."""
    some = [mutant for mutant in MUTANTS if part in mutant.name]
    lived, took = 0, []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "checkout"
        ignored = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", ".sauron")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
        for mutant in some:
            noticed, seconds, said = run(copy, mutant)
            lived += not noticed
            took.append(seconds)
            print(
                f"{'noticed' if noticed else 'LIVED':8} {seconds:5.1f} s  {mutant.name}: {said}", flush=True
            )
    return Figures(
        "the product broken on purpose",
        f"{len(some)} mutants, noticed after {min(took):.1f} to {max(took):.1f} s of processor time each"
        if some
        else "no mutant has such a name",
        "from 0",
        f"{len(some) - lived} noticed, {lived} not",
        broken=bool(lived),
    ).shown()


def run(copy: Path, mutant: Mutant) -> tuple[bool, float, str]:
    """Return whether a mutant was noticed, after how many seconds of processor time, and what was said."""
    file = copy / mutant.file
    original = file.read_text("utf-8")
    if original.count(mutant.old) != 1:
        raise SystemExit(
            f"{mutant.name}: its text is in {mutant.file} {original.count(mutant.old)} times, not once"
        )
    file.write_text(original.replace(mutant.old, mutant.new), "utf-8")
    began = _spent()
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.simulation",
                "--first-violation",
                "--short",
                "--seconds",
                str(SECONDS),
            ],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": f"{copy}:{copy / 'container'}", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS * 20,
        )
    finally:
        file.write_text(original, "utf-8")
    said = next(
        (line for line in done.stdout.splitlines() if line.startswith("seed ")),
        done.stderr[-300:] or "nothing",
    )
    return done.returncode == 1 and said.startswith("seed "), _spent() - began, said


def _spent() -> float:
    times = os.times()
    return times.children_user + times.children_system
