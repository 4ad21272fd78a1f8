"""One Chromium for this folder, one server for many tests, and a watch over what the pages do.

`night` opens pages of a made-up night at an instant that stands still (`tests/pictures/night.py`):
`night("/ui/jobs", scheme="dark", width=360, script=False)`. Tests that change something make a server of
their own with `serve_still`, or a real one with a bundle with `serve`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import MISSING, PATIENCE, PROGRAM, Visitor, at_most, chromium
from tests.browser.still import still
from tests.e2e.conftest import repository, serve  # noqa: F401 - fixtures
from tests.e2e.outside import Served


class ServeStill(Protocol):
    """Starts a server of its own for a test."""

    def __call__(self, scene: str = ..., **environ: str) -> Served: ...


class Visit(Protocol):
    """Makes a visitor of a server, whose pages are watched."""

    def __call__(self, url: str) -> Visitor: ...


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    """Let no test wait for a browser that is gone or frozen."""
    with at_most(PATIENCE):
        yield


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return the browser. It ends with this folder: other tests want this thread without its loop."""
    if PROGRAM is None:
        pytest.skip(MISSING)
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def night_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve one night to every test that only looks."""
    server = still(tmp_path_factory.mktemp("night"), "tests.pictures.night")
    yield server
    server.close()


@pytest.fixture(scope="package")
def _night(browser: Browser, night_server: Served) -> Iterator[Visitor]:
    visitor = Visitor(browser, night_server.url)
    yield visitor
    visitor.forget()


@pytest.fixture
def night(_night: Visitor) -> Iterator[Visitor]:
    """Open pages of the night. Whatever a page does that none of ours does fails the test."""
    _night.watch.strange.clear()
    _night.watch.expected.clear()
    yield _night
    _night.leave()
    assert _night.watch.strange == []


@pytest.fixture
def serve_still(tmp_path: Path) -> Iterator[ServeStill]:
    """Start a server whose time stands still, by default with the night."""
    started: list[Served] = []

    def begin(scene: str = "tests.pictures.night", **environ: str) -> Served:
        started.append(still(tmp_path / f"still-{len(started)}", scene, **environ))
        return started[-1]

    yield begin
    for one in started:
        one.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Make visitors with cookies of their own. Whatever a page does that none of ours does fails the test."""
    made: list[Visitor] = []

    def begin(url: str) -> Visitor:
        made.append(Visitor(browser, url))
        return made[-1]

    yield begin
    for one in made:
        one.forget()
    assert [strange for one in made for strange in one.watch.strange] == []
