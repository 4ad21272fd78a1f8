"""State and progress for jobs that take no context, inside real attempts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sauron_jobs_loader import context
from sauron_jobs_loader.errors import LoaderError
from sauron_jobs_loader.launch.launcher import Launcher
from sauron_jobs_loader.toolkit import progress, state
from tests.bundle_runs import Runs

pytestmark = pytest.mark.process

IMPORTS = """
from sauron_jobs_loader import context
from sauron_jobs_loader.toolkit import command, progress, state
"""


@pytest.fixture(params=["fork", "spawn"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runs]:
    launcher = Launcher(grace=timedelta(seconds=0.4))
    with contextlib.closing(launcher):
        yield Runs(launcher, tmp_path / "bundle", request.param == "spawn")


def value_of(runs: Runs, body: str) -> Any:
    told = runs.job(f"{IMPORTS}{body}")
    assert told.facts.result, told.output
    assert told.facts.result["ok"], told.output
    return told.facts.result["value"]


def test_a_job_without_a_context_keeps_values_between_its_runs(runs: Runs) -> None:
    body = """
def run():
    count = state.get("count", 0) + 1
    state.put("count", count)
    state.put("other", {"a": [1]})
    state.delete("gone")
    return [count, sorted(state.keys()), state.get("other")]
"""
    assert value_of(runs, body) == [1, ["count", "other"], {"a": [1]}]
    assert runs.run().facts.result == {"ok": True, "value": [2, ["count", "other"], {"a": [1]}]}


def test_changed_and_rose_compare_with_what_was_stored(runs: Runs) -> None:
    body = """
def run():
    return [
        state.changed("v", (1, {2: "x"})), state.changed("v", (1, {2: "x"})), state.changed("v", 3),
        state.changed("quiet", 1, first=False), state.changed("quiet", None), state.changed("quiet", None),
        state.rose("n", 5), state.rose("n", 6), state.rose("n", 6), state.rose("n", 2), state.rose("n", 3),
        state.rose("loud", 1, first=True),
    ]
"""
    expected = [True, False, True, False, True, False, False, True, False, False, True, True]
    assert value_of(runs, body) == expected


def test_the_context_is_there_in_threads(runs: Runs) -> None:
    body = """
def run():
    seen = []
    thread = threading.Thread(target=lambda: seen.append(context.current().job_id))
    thread.start()
    thread.join()
    return seen
"""
    assert value_of(runs, body) == ["job"]


def test_track_tells_how_many_are_done(runs: Runs) -> None:
    body = """
def run():
    context.PROGRESS_INTERVAL_SECONDS = 0
    items = list(progress.track("ab", note=lambda item: f"file {item}"))
    return items + list(progress.track(iter("c")))
"""
    told = runs.job(IMPORTS + body)
    assert told.facts.result == {"ok": True, "value": ["a", "b", "c"]}, told.output
    assert (0.5, "file a (1 of 2)") in told.progress
    assert (1.0, "file b (2 of 2)") in told.progress
    assert told.progress[-1] == (0.0, "1")


def test_outside_a_job_it_is_said_where_they_work() -> None:
    for use in (lambda: state.get("x"), lambda: progress.report(0.5), context.current):
        with pytest.raises(LoaderError, match="inside a job's function"):
            use()
