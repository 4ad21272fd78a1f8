"""No secret leaves by the log, whatever form it takes and whoever reads along."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pytest

from chalicelib import logs
from tests.terminal import Terminal, run_on_terminal, terminal

SECRET = "hunter2-and-more"
ROOT = Path(__file__).parents[2]


class File:
    """A log that goes to a file or a pipe."""

    def __init__(self) -> None:
        self.stream: TextIO = io.StringIO()

    def text(self) -> str:
        assert isinstance(self.stream, io.StringIO)
        return self.stream.getvalue()


@pytest.fixture(params=["file", "terminal"])
def sink(request: pytest.FixtureRequest) -> Iterator[File | Terminal]:
    if request.param == "file":
        yield File()
        return
    with terminal() as screen:
        assert screen.stream.isatty()
        yield screen


class Address:
    """An object that shows a secret only when it is written out."""

    def __str__(self) -> str:
        return f"postgresql://me:{SECRET}@host/db"

    __repr__ = __str__


def log_in() -> None:
    raise ValueError(f"cannot log in with {SECRET}")


def fail() -> None:
    local_variable = "a-local-" + "value"
    try:
        log_in()
    except ValueError as error:
        raise RuntimeError(f"no store at postgresql://me:{SECRET}@host", len(local_variable)) from error


@pytest.mark.parametrize("logger", ["structlog", "standard library"])
def test_no_secret_and_no_local_variable_is_in_a_traceback(sink: File | Terminal, logger: str) -> None:
    logs.configure(secrets=[SECRET], stream=sink.stream)
    try:
        fail()
    except RuntimeError:
        if logger == "structlog":
            logs.get("test").exception("handler.failed", handler="tick")
        else:
            logging.getLogger("library").exception("it failed")
    text = sink.text()
    assert "Traceback" in text
    assert "cannot log in with ***" in text
    assert SECRET not in text
    assert "a-local-value" not in text


def test_no_secret_is_in_a_field_of_any_form(sink: File | Terminal) -> None:
    logs.configure(secrets=[SECRET, 'with "quotes"\nand lines'], stream=sink.stream)
    log = logs.get("test")
    log.info("store.opened", url=f"postgresql://me:{SECRET}@h", nested={"list": [SECRET]})
    log.info("store.opened", address=Address(), many=[Address()])
    log.info("store.opened", text='it is with "quotes"\nand lines')
    text = sink.text()
    assert SECRET not in text
    assert "quotes" not in text
    if isinstance(sink, File):
        assert [json.loads(line)["event"] for line in text.splitlines()] == ["store.opened"] * 3


def test_a_record_that_cannot_be_written_is_told_without_its_values(
    sink: File | Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(secrets=[SECRET], stream=sink.stream)
    logging.getLogger("library").warning("%d rows", SECRET)
    text = sink.text()
    assert "log.record_invalid" in text
    assert "test_logs.py" in text
    assert SECRET not in text
    assert capsys.readouterr() == ("", "")  # the standard library would print the values there


def test_a_secret_that_is_learnt_later_is_masked_from_then_on(sink: File | Terminal) -> None:
    logs.configure(stream=sink.stream)
    logs.add_secrets([SECRET])
    logs.get("test").info("store.opened", url=f"postgresql://me:{SECRET}@h")
    assert logs.masked(f"no store at {SECRET}") == "no store at ***"
    assert SECRET not in sink.text()


ENDS = {
    "main thread": "raise RuntimeError(SECRET)",
    "another thread": "import threading; threading.Thread(target=lambda: int(SECRET)).start()",
    "finaliser": """
class Connection:
    def __del__(self):
        raise RuntimeError(SECRET)
Connection()""",
    "warning": "import warnings; warnings.warn(SECRET)",
    "record": "import logging; logging.getLogger('library').error('%d', SECRET)",
}


def on_pipe(command: list[str]) -> tuple[int, str]:
    ended = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout


@pytest.mark.process
@pytest.mark.parametrize("run", [on_pipe, run_on_terminal])
@pytest.mark.parametrize("end", ENDS)
def test_what_python_itself_would_print_is_masked(
    run: Callable[[list[str]], tuple[int, str]], end: str
) -> None:
    program = f"""
from chalicelib import logs
SECRET = "hunter2" + "-and-more"
local_variable = "a-local-" + "value"
logs.configure(secrets=[SECRET])
logs.capture_crashes()
{ENDS[end]}
"""
    _code, text = run([sys.executable, "-c", program])
    assert SECRET not in text
    assert "a-local-value" not in text
    assert text.strip()


@pytest.mark.process
def test_a_crash_that_nothing_catches_is_masked_on_every_thread() -> None:
    program = f"""
import threading
from chalicelib import logs
logs.configure(secrets=[{SECRET!r}])
logs.capture_crashes()
thread = threading.Thread(target=lambda: int({SECRET!r}))
thread.start()
thread.join()
raise RuntimeError({SECRET!r})
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert SECRET not in ended.stderr
    assert ended.stderr.count("***") == 2
    assert [json.loads(line)["event"] for line in ended.stderr.splitlines()] == [
        "thread.crashed",
        "process.crashed",
    ]
