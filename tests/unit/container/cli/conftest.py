"""The command line in this process, over a store of this test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib import wiring
from chalicelib.store import Store
from sauron.cli.root import invoke
from tests.conftest import ManualClock


@dataclass(frozen=True)
class Said:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        remarks = [line for line in self.err.splitlines() if not line.endswith(" ...")]  # of a busy machine
        assert remarks == []
        return json.loads(self.out)


Cli = Callable[..., Said]


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    store: Store,
    clock: ManualClock,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Cli]:
    """Run a command as a process of its own would; keywords are further environment variables."""

    def run(*arguments: str, **environ: str) -> Said:
        settings = {"JOB_QUEUE_DB_URL": str(store.url), "JOBS_DIR": str(tmp_path / "jobs"), **environ}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        wiring.PROCESS.set(None, clock=clock)
        try:
            code = invoke(arguments)
        finally:
            wiring.PROCESS.set(None)
            for name in environ:
                monkeypatch.delenv(name)
        written = capsys.readouterr()
        return Said(code, written.out, written.err)

    yield run
    wiring.PROCESS.set(None)
