"""What people see while the store cannot be written: `/ready`, `/status`, the page and the doctor agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.e2e.outside import Repository, Serve, command
from tests.faults.test_storage import World, environ, fill, hold, world

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.process, pytest.mark.timeout(300)]


@contextmanager
def full(it: World) -> Iterator[None]:
    ballast = fill(it.disk)
    yield
    ballast.unlink()


@contextmanager
def held(it: World) -> Iterator[None]:
    other = hold(it.store)
    yield
    other.close()


@pytest.mark.parametrize(
    ("fault", "reason", "doctor"),
    [(full, "database or disk is full", "0 MB are free"), (held, "database is locked", "")],
    ids=["full", "held"],
)
def test_a_store_that_refuses_is_told_everywhere(
    serve: Serve,
    repository: Repository,
    tmp_path: Path,
    fault: Callable[[World], AbstractContextManager[None]],
    reason: str,
    doctor: str,
) -> None:
    """The disk of the store is full, or another process holds it: what is told."""
    with world(serve, repository, tmp_path) as it:
        with fault(it):
            while it.trigger() == 200:
                pass  # the store's log had room left
            code, said = it.ready()
            assert (code, reason in said) == (503, True)
            assert it.served.http.get("/health").status_code == 200
            (sentence,) = it.served.http.get("/status").json()["degraded"]
            assert reason in sentence
            assert reason in it.served.http.get("/").text
            found = command(tmp_path / "elsewhere", "doctor", "--json", seconds=100, **environ(tmp_path))
            assert doctor in found.out
        it.end_the_work()
        it.check_all_is_whole()
        assert it.served.http.get("/status").json()["degraded"] == []
