"""Pages of very many jobs stay small, and ask the store only what an index answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from chalicelib.store import Store
from chalicelib.wiring import Sauron
from tests.conftest import START
from tests.many_jobs import fill, name
from tests.unit.api.client import Client
from tests.unit.api.conftest import Build

MOST_BYTES = 100_000
JOBS, RUNS = 1000, 6000
PATHS = (
    "/",
    "/ui/next",
    "/ui/next?from=2026-03-02T23:30:00Z",
    f"/ui/next?q={name(7)}",
    "/ui/jobs",
    f"/ui/jobs?after={name(999)}",
    "/ui/jobs?q=warehouse&tag=shop&state=failing",
    f"/ui/jobs/{name(1)}",
    f"/ui/jobs/{name(25)}",
    "/ui/runs",
)


@pytest.fixture(scope="session")
def many(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of very many jobs and some runs of each; it is to be copied."""
    file = tmp_path_factory.mktemp("many") / "store.sqlite3"
    shutil.copy(empty_store, file)
    store = Store(f"sqlite:///{file}")
    fill(store, now=START, jobs_count=JOBS, runs_count=RUNS)
    store.backup(file.with_name("copy.sqlite3"))
    store.close()
    return file.with_name("copy.sqlite3")


@pytest.fixture
def crowded(build: Build, many: Path, tmp_path: Path) -> Sauron:
    shutil.copy(many, tmp_path / "store.sqlite3")
    return build()


@contextmanager
def listening(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """Note every statement and its parameters."""
    said: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        said.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    yield said
    event.remove(store.engine, "before_cursor_execute", note)


@pytest.mark.slow
def test_every_page_is_small_and_asks_by_index_and_no_more_than_a_few_times(
    crowded: Sauron, client: Client
) -> None:
    for path in PATHS:
        with listening(crowded.store) as said:
            page = client.get(path)
        assert (page.status, len(page.body.encode()) < MOST_BYTES) == (200, True), (path, len(page.body))
        asked = [one for one in said if one[0].lstrip().startswith(("SELECT", "WITH"))]
        assert len(asked) <= 40, (path, len(asked))
        with crowded.store.read() as tx:
            for statement, parameters in asked:
                rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                scans = [row[-1] for row in rows if "SCAN job_queue" in row[-1] and "INDEX" not in row[-1]]
                assert not scans, (path, statement)


@pytest.mark.slow
def test_the_list_is_paged_to_its_end(crowded: Sauron, client: Client) -> None:
    seen, path = 0, "/ui/jobs"
    while path:
        page = client.get(path).body
        seen += page.count('<th scope="row">')
        path = "/ui/jobs" + page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        path = "" if path == "/ui/jobs" else path
    assert seen == JOBS
