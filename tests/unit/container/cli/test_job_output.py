"""No command lets what a job, a bundle or a commit holds drive the terminal."""

from __future__ import annotations

import io
import re

import pytest
from sqlalchemy import insert, update

from chalicelib.store import Store, log_chunks
from chalicelib.store.schema import attempts, bundle_state, incidents, job_queue
from chalicelib.terminal.screen import as_shown
from sauron.cli.job_output import JobOutput
from tests.conftest import ManualClock, define
from tests.terminal import terminal
from tests.unit.container.cli.conftest import Cli

HOSTILE = "su\x1b[31mre\x1b[0m\x1b[2J\x1b]0;title\x07 \x9b2Jit\u202e is\x07\x1b]52;c;aGk=\x1b\\ so"
SHOWN = "sure it is so"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def run_id(store: Store, clock: ManualClock, cli: Cli) -> str:
    """A failed run, all of whose texts are hostile, and a store that says so wherever it can."""
    define(store, clock, "backup", "0 3 1 1 *", description=HOSTILE)
    queued: str = cli("run", "backup", "--json", "--reason", "x").json["queue_id"]
    now = clock.now()
    with store.write() as tx:
        ended = {"state": "failed", "started_at": now, "finished_at": now, "error": HOSTILE, "attempt": 1}
        told = {"reason": HOSTILE, "requested_by": HOSTILE}
        kept = {"result": {HOSTILE: HOSTILE}, "params": {"a": HOSTILE}}
        tx.execute(update(job_queue).values(**ended, **told, **kept))
        attempt = {"run_id": queued, "number": 1, "outcome": "failed", "error": HOSTILE}
        tx.execute(insert(attempts).values(**attempt, runner="me", started_at=now, finished_at=now))
        log_chunks.append(tx, queued, 1, [HOSTILE, "\nprogress 10 %\rprogress 20 %\n"], now=now)
        trouble = {"subject": "backup", "kind": "failing", "job_id": "backup", "reason": HOSTILE}
        tx.execute(insert(incidents).values(**trouble, since=now, told_at=now))
        tx.execute(insert(bundle_state).values(id=1, last_error=HOSTILE, tried_at=now))
    return queued


COMMANDS = [["list"], ["runs"], ["show", "RUN"], ["logs", "RUN"], ["alerts"], ["status"], ["next"], ["audit"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_prints_nothing_that_a_terminal_obeys(cli: Cli, run_id: str, command: list[str]) -> None:
    said = cli(*(run_id if word == "RUN" else word for word in command))
    assert not OBEYED.search(said.out + said.err)
    if command[0] in {"runs", "show", "logs", "alerts", "status"}:
        assert SHOWN in re.sub(r"\s+", " ", said.out)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_its_json_is_complete_in_escapes(cli: Cli, run_id: str, command: list[str]) -> None:
    said = cli(*(run_id if word == "RUN" else word for word in command), "--json")
    assert not OBEYED.search(said.out)
    if command[0] == "show":
        assert (said.json["error"], said.json["result"]) == (HOSTILE, {HOSTILE: HOSTILE})
    if command[0] == "logs":
        assert said.json["log"].startswith(HOSTILE)


def test_raw_is_the_log_as_the_job_wrote_it(cli: Cli, run_id: str) -> None:
    assert cli("logs", run_id, "--raw").out == f"{HOSTILE}\nprogress 10 %\rprogress 20 %\n"
    assert cli("logs", run_id, "--raw", "-f").out == f"{HOSTILE}\nprogress 10 %\rprogress 20 %\n"
    assert cli("logs", run_id).out == f"{SHOWN}\nprogress 20 %\n"
    assert cli("logs", run_id, "-f").out == f"{SHOWN}\nprogress 20 %\n"


def test_raw_without_a_log_to_print_is_wrong_use(cli: Cli, run_id: str) -> None:
    assert cli("logs", run_id, "--raw", "--json").code == 2
    said = cli("run", "backup", "--raw")
    assert said.code == 2
    assert "--wait or --direct" in said.err


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_on_a_terminal_colours_pass_and_nothing_else_however_it_is_split(size: int) -> None:
    raw = f"{HOSTILE} é\n".encode()
    with terminal() as screen:
        output = JobOutput(screen.stream, raw=False)
        for start in range(0, len(raw), size):
            output.write_bytes(raw[start : start + size])
        output.end()
        assert screen.text() == "su\x1b[31mre\x1b[0m it is so é\n"


def test_bytes_that_are_no_text_are_shown_as_such_and_pass_raw() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    for raw in (False, True):
        output = JobOutput(stream, raw=raw)
        output.write_bytes(b"caf\xe9\x07|")
        output.end()
    assert stream.buffer.getvalue() == "caf\ufffd|".encode() + b"caf\xe9\x07|"


STEPS = ["fetching\n", "10 %", "\r20 %", "\r30 %", "\r100 %\ndone\nmore: 1", "\rmore: 2", "\r\x1b[Kend"]


def test_in_a_pipe_a_line_that_changes_is_printed_when_it_is_complete() -> None:
    stream = io.StringIO()
    output = JobOutput(stream, raw=False)
    for step in STEPS:
        output.write(step)
    output.end()
    assert stream.getvalue() == "fetching\n10 %\n100 %\ndone\nmore: 1\nend"


def test_on_a_terminal_a_line_that_changes_is_drawn_anew() -> None:
    with terminal() as screen:
        output = JobOutput(screen.stream, raw=False)
        for step in STEPS:
            output.write(step)
        output.end()
        shown = screen.text()
    assert "\r\x1b[J20 %\r\x1b[J30 %\r\x1b[J100 %\ndone\nmore: 1" in shown
    assert as_shown(shown) == "fetching\n100 %\ndone\nend"


def test_bars_below_each_other_are_drawn_anew_on_a_terminal_and_printed_once_in_a_pipe() -> None:
    steps = ["a 1\nb 1\n", "\x1b[2A\ra 2\n", "\rb 2\n", "all done\n"]
    stream = io.StringIO()
    with terminal() as screen:
        outputs = [JobOutput(stream, raw=False), JobOutput(screen.stream, raw=False)]
        for output in outputs:
            for step in steps:
                output.write(step)
            output.end()
        assert as_shown(screen.text()) == "a 2\nb 2\nall done\n"
    assert stream.getvalue() == "a 1\nb 1\na 2\nb 2\nall done\n"


def test_a_prompt_is_printed_at_once_and_a_long_output_is_let_go() -> None:
    stream = io.StringIO()
    output = JobOutput(stream, raw=False)
    output.write("Continue? ")
    assert stream.getvalue() == "Continue? "
    text = "".join(f"line {number}\n" for number in range(3000))
    for start in range(0, len(text), 1000):
        output.write(text[start : start + 1000])
    output.end()
    assert stream.getvalue() == f"Continue? {text}"
    assert len(output._printed) <= 500
