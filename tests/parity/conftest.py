"""One suite, every runtime: each test is asked of each target, and a table at the end says what held where.

By default the quick tests run on every target. `--parity=all` runs everything; names of targets,
comma-separated, run everything on those. A target is started once; its tests run one after another, those
that restart it last.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .differences import COLUMNS, differs
from .target import Target
from .world import World, begin

TARGETS = {
    "container": "tests.parity.local_targets:Container",
    "postgres": "tests.parity.local_targets:Postgres",
    "chalice-local": "tests.parity.local_targets:ChaliceLocal",
    "lambda": "tests.parity.lambda_target:LambdaTarget",
}
HERE = Path(__file__).parent
FILES = (
    "test_http",
    "test_runs",
    "test_processes",
    "test_clock",
    "test_differences",
    "test_policies",
    "test_bundle",
    "test_downtime",
)
QUICK = "fast"
LIMIT_SECONDS = 300  # for a test with the start of its target, which may wait for the clock
OPEN = pytest.StashKey[ExitStack]()
OUTCOMES = pytest.StashKey[dict[tuple[str, str], str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "parity suite: 'fast' (quick tests on every target), 'all', or names of targets: " + ", ".join(
        TARGETS
    )
    parser.addoption("--parity", default=QUICK, help=text)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[OUTCOMES] = {}
    config.stash[OPEN] = ExitStack()


def chosen(config: pytest.Config) -> list[str]:
    """Return the targets to run on; one whose file is not there is left out."""
    asked = str(config.getoption("--parity", QUICK))
    names = list(TARGETS) if asked in {QUICK, "all"} else [name.strip() for name in asked.split(",")]
    if unknown := sorted(set(names) - set(TARGETS)):
        raise pytest.UsageError(
            f"--parity: {', '.join(unknown)} is no target. Write fast, all, or some of {', '.join(TARGETS)}."
        )
    return [
        name for name in names if (HERE / f"{TARGETS[name].partition(':')[0].rpartition('.')[2]}.py").exists()
    ]


def whole(config: pytest.Config) -> bool:
    """Return whether slow tests run too."""
    return str(config.getoption("--parity", QUICK)) != QUICK


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "world" in metafunc.fixturenames:
        metafunc.parametrize("world", chosen(metafunc.config), indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the suite in order, target by target, and leave slow tests out unless asked."""
    places = [place for place, item in enumerate(items) if item.path.parent == HERE]
    ours = sorted((items[place] for place in places), key=_order)
    for place, item in zip(places, ours, strict=True):
        items[place] = item
        item.add_marker(pytest.mark.timeout(LIMIT_SECONDS))
    if not whole(config):
        slow = [item for item in ours if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


def _order(item: pytest.Item) -> tuple[int, int]:
    name = _target_of(item)
    return (
        list(TARGETS).index(name) if name else -1,
        FILES.index(item.path.stem) if item.path.stem in FILES else -1,
    )


def _target_of(item: pytest.Item) -> str | None:
    return getattr(item, "callspec").params.get("world") if hasattr(item, "callspec") else None  # noqa: B009 - functions have it


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """End the last target with the suite's last test: later suites share its stand-in for AWS."""
    yield
    if nextitem is None or nextitem.path.parent != HERE:
        item.config.stash[OPEN].close()


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A started target over a bundle that git serves by http."""
    name: str = request.param
    module, _, attribute = TARGETS[name].partition(":")
    make: type[Target] = getattr(importlib.import_module(module), attribute)
    folder = tmp_path_factory.mktemp(f"parity-{name}")
    home = folder / "home"
    home.mkdir()
    with ExitStack() as open_world:
        started = begin(
            make(home, request.getfixturevalue("databases")), folder, minute=whole(request.config)
        )
        request.config.stash[OPEN] = open_world
        yield open_world.enter_context(started)


@pytest.fixture
def target(world: World) -> Target:
    """The target alone, for tests that ask nothing of its surroundings."""
    return world.target


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined] # what pluggy sends in
    name = _target_of(item) if item.path.parent == HERE else None
    if name is None or (report.when != "call" and report.passed):
        return
    row = getattr(item, "callspec").params.get("row")  # noqa: B009 - functions have it
    promise = (
        f"differs: {row}" if row else item.name.partition("[")[0].removeprefix("test_").replace("_", " ")
    )
    said = "known difference" if row and report.passed and differs(row, name) else str(report.outcome)
    outcomes = item.config.stash[OUTCOMES]
    if outcomes.get((promise, name)) != "failed":
        outcomes[promise, name] = said


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print promise by target."""
    outcomes = config.stash[OUTCOMES]
    if not outcomes or not whole(config):
        return
    names = [name for name in COLUMNS if any(target == name for _, target in outcomes)]
    promises = list(dict.fromkeys(promise for promise, _ in outcomes))
    width = max(map(len, promises))
    terminalreporter.section("parity")
    terminalreporter.write_line(f"{'promise':{width}}  " + "  ".join(f"{name:16}" for name in names))
    for promise in promises:
        cells = (f"{outcomes.get((promise, name), '-'):16}" for name in names)
        terminalreporter.write_line(f"{promise:{width}}  " + "  ".join(cells))
