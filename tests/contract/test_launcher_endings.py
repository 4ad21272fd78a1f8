"""What a job may do at its end, and what is left of it after: forked from the zygote and spawned alike."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import ENVIRON, Runs, write_job

SYNC = """
def run():
    try:
        print("begun")
        time.sleep(60)
    finally:
        print("cleaned up")
"""
ASYNC = """
import asyncio
async def run():
    try:
        asyncio.get_running_loop().call_soon(print, "begun")
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        print("cancelled")
        raise
    finally:
        await asyncio.sleep(0)
        print("cleaned up")
"""
WITH = """
import atexit, contextlib
@contextlib.contextmanager
def lock():
    atexit.register(print, "at exit")
    yield
    print("never")
class Lock:
    def __enter__(self): pass
    def __exit__(self, *why): print("cleaned up", why[0].__name__)
def run():
    with lock(), Lock():
        print("begun")
        threading.Event().wait()
"""


@pytest.fixture(params=["fork", "spawn"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runs]:
    with contextlib.closing(Launcher(grace=timedelta(seconds=5))) as launcher:
        yield Runs(launcher, tmp_path / "bundle", request.param == "spawn")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (SYNC, ["begun", "cleaned up"]),
        (ASYNC, ["begun", "cancelled", "cleaned up"]),
        (WITH, ["begun", "cleaned up Terminated", "at exit"]),
    ],
    ids=["finally", "async", "with"],
)
def test_a_job_that_is_stopped_cleans_up_first(runs: Runs, body: str, words: list[str]) -> None:
    write_job(runs.folder, body)
    attempt, printed = runs.start(), bytearray()

    def take(data: bytes) -> None:
        printed.extend(data)
        if printed == b"begun\n":
            attempt.stop("cancelled by tests")

    told = runs.watch(attempt, timeout=30, on_output=take)
    assert printed.decode().splitlines() == words
    assert (told.verdict.outcome, told.verdict.error) == ("cancelled", "cancelled by tests")


def test_a_job_that_somebody_terminates_is_killed_by_that_signal_after_it_cleaned_up(runs: Runs) -> None:
    told = runs.job(SYNC.replace("time.sleep(60)", "os.kill(os.getpid(), signal.SIGTERM)"))
    assert told.output == "begun\ncleaned up\n"
    assert (told.verdict.error_type, told.verdict.error) == ("crashed", "killed by SIGTERM")


def test_a_child_that_a_job_forked_ends_by_the_signal_without_the_jobs_clean_up(runs: Runs) -> None:
    told = runs.job(
        "def run():\n    try:\n        child = os.fork()\n        if not child:\n            time.sleep(60)\n"
        "        os.kill(child, signal.SIGTERM)\n        return os.waitstatus_to_exitcode(os.wait()[1])\n"
        "    finally:\n        print('cleaned up')"
    )
    assert (told.verdict.result, told.output) == (-15, "cleaned up\n")


def test_background_processes_that_end_with_the_job_are_named_in_its_log(runs: Runs) -> None:
    told = runs.job("", "command=['bash', '-c', 'sleep 200 & sleep 300 & printf started']")
    assert told.verdict.outcome == "succeeded"
    first, second = told.output.splitlines()
    assert first == "started"
    assert second.startswith("[sauron] 2 background processes of this job still ran when the job ended")


@pytest.mark.parametrize(
    "body",
    [
        "def run():\n    threading.Thread(target=time.sleep, args=(60,)).start()\n    return 'sent'",
        "import atexit\ndef run():\n    atexit.register(time.sleep, 60)\n    return 'sent'",
        (
            "from concurrent.futures import ThreadPoolExecutor as Pool\n"
            "def run():\n    Pool().submit(time.sleep, 60)\n    return 'sent'"
        ),
    ],
    ids=["thread", "exit function", "pool"],
)
def test_what_a_job_left_running_in_its_own_process_is_told_in_its_log(runs: Runs, body: str) -> None:
    told = runs.job(body)
    assert (told.verdict.outcome, told.verdict.result) == ("succeeded", "sent")
    assert told.output.startswith("[sauron] A thread or an exit function of this job still ran 2 s after")


def test_an_attempt_has_a_temporary_folder_that_goes_with_it(runs: Runs, tmp_path: Path) -> None:
    outside = tmp_path / "tmp"
    outside.mkdir()
    environ = {"TMPDIR": str(outside)}
    told = runs.job(
        "import tempfile\ntempfile.gettempdir()\ndef run():\n"
        "    made = tempfile.mkdtemp()\n    open(made + '/left', 'w').close()\n    os.chmod(made, 0o500)\n"
        "    mode = os.stat(os.environ['TMPDIR']).st_mode & 0o777\n"
        "    return made, os.environ['TMPDIR'], mode, os.listdir(os.path.dirname(os.environ['TMPDIR']))",
        environ=environ,
        zygote_environ={**ENVIRON, **environ},
    )
    made, folder, mode, beside = told.verdict.result
    assert Path(made).parent == Path(folder)
    assert Path(folder).parent == outside
    assert (mode, beside) == (0o700, [Path(folder).name])
    assert list(outside.iterdir()) == []


def test_where_no_temporary_folder_can_be_made_a_job_runs_all_the_same(runs: Runs) -> None:
    environ = {"TMPDIR": "/nonexistent"}
    body = "def run():\n    return os.environ['TMPDIR']"
    told = runs.job(body, environ=environ, zygote_environ={**ENVIRON, **environ})
    assert told.verdict.result == "/nonexistent"


@pytest.mark.parametrize(
    ("where", "shown"),
    [("import logging\ndef run():\n    ", True), ("from logging import *\ndef run():\n    ", False)],
    ids=["module", "names"],
)
def test_basic_config_in_a_job_is_respected(runs: Runs, where: str, shown: bool) -> None:
    prefix = "logging." if shown else ""
    told = runs.job(
        f"{where}{prefix}basicConfig(format='<%(message)s>', level={prefix}DEBUG)\n"
        f"    {prefix}debug('fine')\n    {prefix}info('coarse')"
    )
    assert told.output == "<fine>\n<coarse>\n"


def test_without_basic_config_the_log_has_time_level_and_name(runs: Runs) -> None:
    told = runs.job("import logging\ndef run():\n    logging.info('hello')\n    logging.debug('not this')")
    assert told.output.endswith(" INFO root: hello\n")


def test_the_reason_of_a_task_groups_failure_is_what_its_tasks_raised(runs: Runs) -> None:
    told = runs.job(
        "import asyncio\nasync def connect():\n    raise OSError('cannot reach db.example.org:5432')\n"
        "async def run():\n    async with asyncio.TaskGroup() as group:\n"
        "        group.create_task(connect())"
    )
    assert told.verdict.error == "OSError: cannot reach db.example.org:5432"
    assert told.verdict.error_type == "ExceptionGroup"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("subprocess.run(['false'])", "the program ['false'] ended with code 1"),
        ("(print(row) for row in [1])", "the job returned a generator, of which nothing has run"),
        ("OSError('no disk')", "no disk"),
    ],
)
def test_a_returned_value_that_says_failed_is_a_failure(runs: Runs, value: str, words: str) -> None:
    told = runs.job(f"def run():\n    return {value}")
    assert told.verdict.outcome == "failed"
    assert told.facts.exit_code == 1
    assert words in str(told.verdict.error)
