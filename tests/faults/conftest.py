"""The fixtures of the outside suite serve here too; a fleet is four runners on one PostgreSQL."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.conftest import repository, serve
from tests.e2e.outside import Repository, Serve
from tests.faults.fleet import Fleet, FleetOf
from tests.http_receiver import Receiver, receive
from tests.life_hub import Server

__all__ = ["repository", "serve"]

Measured = Callable[..., None]


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    """Note what a test measured, and the seed of its moments: `make faults` puts both into docs/faults.md."""

    def note(what: str, *, seed: int | None = None) -> None:
        print(f"{what}" if seed is None else f"seed {seed}: {what}", flush=True)
        record_property("measured", what)
        if seed is not None:
            record_property("seed", seed)

    return note


@pytest.fixture
def people() -> Iterator[Receiver]:
    """Who gets alerts."""
    with receive() as there:
        yield there


@pytest.fixture
def monitor() -> Iterator[Receiver]:
    """Who is pinged while all is well."""
    with receive() as there:
        yield there


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def fleet(server: Server, serve: Serve, repository: Repository, tmp_path: Path) -> Iterator[FleetOf]:
    """Start runners; they end with the test."""
    started: list[Fleet] = []

    def begin(*, together: bool = False, environs: Sequence[dict[str, str]] = ()) -> Fleet:
        started.append(Fleet(server, serve, repository, tmp_path, together=together, environs=environs))
        return started[-1]

    yield begin
    for one in started:
        one.close()
