"""No secret leaves by the log, whatever form it takes and whoever reads along."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib import logs

SECRET = "hunter2-and-more"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


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


@pytest.mark.parametrize("kind", [io.StringIO, Terminal], ids=["file", "terminal"])
@pytest.mark.parametrize("logger", ["structlog", "standard library"])
def test_no_secret_and_no_local_variable_is_in_a_traceback(kind: type[io.StringIO], logger: str) -> None:
    stream = kind()
    logs.configure(secrets=[SECRET], stream=stream)
    try:
        fail()
    except RuntimeError:
        if logger == "structlog":
            logs.get("test").exception("handler.failed", handler="tick")
        else:
            logging.getLogger("library").exception("it failed")
    text = stream.getvalue()
    assert "Traceback" in text
    assert "cannot log in with ***" in text
    assert SECRET not in text
    assert "a-local-value" not in text


@pytest.mark.parametrize("kind", [io.StringIO, Terminal], ids=["file", "terminal"])
def test_no_secret_is_in_a_field_of_any_form(kind: type[io.StringIO]) -> None:
    stream = kind()
    logs.configure(secrets=[SECRET, 'with "quotes"\nand lines'], stream=stream)
    log = logs.get("test")
    log.info("store.opened", url=f"postgresql://me:{SECRET}@h", nested={"list": [SECRET]})
    log.info("store.opened", address=Address(), many=[Address()])
    log.info("store.opened", text='it is with "quotes"\nand lines')
    assert SECRET not in stream.getvalue()
    assert "quotes" not in stream.getvalue()
    if kind is io.StringIO:
        assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["store.opened"] * 3


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
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert SECRET not in ended.stderr
    assert ended.stderr.count("***") == 2
    assert [json.loads(line)["event"] for line in ended.stderr.splitlines()] == [
        "thread.crashed",
        "process.crashed",
    ]
