"""What an attempt's end is, whatever the job does: forked from the zygote and spawned alike."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import ENVIRON, Runs, Told, alive, eventually, pid_in, tagged, write_job

SETTLED = {"PWD", "PYTHONUNBUFFERED", "GIT_CEILING_DIRECTORIES", "TMPDIR", "PYTHONPATH"}
"""What every job is told about the place that it runs in."""

DAEMON = """
def daemon(file):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open(file, "w").write(f"{os.getpid()}\\n")
            while True:
                time.sleep(60)
        os._exit(0)
    while not os.path.isfile(file):
        time.sleep(0.001)

"""


@pytest.fixture(params=["fork", "spawn"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runs]:
    launcher = Launcher(grace=timedelta(seconds=0.4))
    with contextlib.closing(launcher):
        yield Runs(launcher, tmp_path / "bundle", request.param == "spawn")


def crashed(told: Told) -> str | None:
    """Return how an attempt crashed; fail if it did not."""
    assert (told.verdict.outcome, told.verdict.error_type) == ("failed", "crashed")
    return told.verdict.error


def test_a_returned_value_is_the_result(runs: Runs) -> None:
    told = runs.job(
        "def run():\n    print('hello')\n    return {'status': 'degraded', 'rows': [1, 2.5, None]}"
    )
    assert told.facts.result == {"ok": True, "value": {"status": "degraded", "rows": [1, 2.5, None]}}
    assert (told.facts.exit_code, told.facts.signal, told.verdict.outcome) == (0, None, "degraded")
    assert told.output.endswith("hello\n")
    assert told.facts.cpu_seconds is not None
    assert told.facts.max_rss_kb is not None


def test_an_async_function_is_awaited(runs: Runs) -> None:
    told = runs.job("import asyncio\nasync def run():\n    await asyncio.sleep(0)\n    return 'done'")
    assert told.facts.result == {"ok": True, "value": "done"}


def test_the_traceback_of_an_async_job_begins_in_the_job(runs: Runs) -> None:
    told = runs.job(
        "import asyncio\nasync def run():\n    await asyncio.sleep(0)\n    raise OSError('no disk')"
    )
    assert "no disk" in told.output
    assert "asyncio/" not in told.output
    assert "sauron_jobs_loader" not in told.output


def test_an_exception_is_a_failure_with_the_bundles_own_frames_in_the_log(runs: Runs) -> None:
    told = runs.job("def run():\n    raise KeyError('volume')")
    assert told.facts.result is not None
    assert told.facts.result["ok"] is False
    assert (told.facts.result["error"], told.facts.result["error_type"]) == (
        "KeyError: 'volume'",
        "KeyError",
    )
    assert told.facts.exit_code == 1
    assert "manifest.py" in told.output
    assert "KeyError: 'volume'" in told.output
    assert "job_process" not in told.output


@pytest.mark.parametrize(
    "raised", ["MemoryError()", "KeyboardInterrupt()", "GeneratorExit()", "RecursionError('deep')"]
)
def test_every_kind_of_exception_is_a_failure_with_its_name(runs: Runs, raised: str) -> None:
    told = runs.job(f"def run():\n    raise {raised}")
    assert told.facts.result is not None
    assert told.facts.result["error_type"] == raised.partition("(")[0]


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("float('nan')", {"__repr__": "nan"}),
        ("{'at': object, 1: b'x'}", {"at": {"__repr__": "<class 'object'>"}, "1": "x"}),
        ("'lone \\ud800 and \\0'", "lone ? and \N{REPLACEMENT CHARACTER}"),
        ("(1, {2})", [1, [2]]),
        (
            "type('Odd', (), {'__repr__': lambda self: 1 / 0})()",
            {"__repr__": "<Odd, whose repr raised ZeroDivisionError>"},
        ),
    ],
)
def test_nonsense_that_is_returned_is_shown_and_marked(runs: Runs, value: str, result: object) -> None:
    assert runs.job(f"def run():\n    return {value}").facts.result == {"ok": True, "value": result}


def test_a_value_that_holds_itself_or_is_too_large_keeps_its_status(runs: Runs) -> None:
    told = runs.job(
        "def run():\n    value = {'status': 'failed', 'blob': 'x' * 3_000_000}\n"
        "    value['me'] = value\n    return value"
    )
    assert told.facts.result is not None
    assert told.facts.result["value"]["status"] == "failed"
    assert "bytes" in told.facts.result["value"]["__truncated__"]


@pytest.mark.parametrize("call", ["sys.exit()", "sys.exit(0)", "sys.exit(None)"])
def test_an_exit_with_zero_is_success(runs: Runs, call: str) -> None:
    facts = runs.job(f"def run():\n    {call}").facts
    assert (facts.result, facts.exit_code) == ({"ok": True, "value": None}, 0)


@pytest.mark.parametrize(
    ("call", "error", "code"),
    [
        ("sys.exit(3)", "the job called sys.exit(3)", 3),
        ("sys.exit('no disk')", "no disk", 1),
        ("sys.exit(256)", "the job called sys.exit(256)", 1),
    ],
)
def test_an_exit_with_anything_else_is_failure(runs: Runs, call: str, error: str, code: int) -> None:
    facts = runs.job(f"def run():\n    {call}").facts
    assert facts.result == {"ok": False, "error": error, "error_type": "SystemExit"}
    assert facts.exit_code == code


def test_leaving_without_a_result_is_a_crash_even_with_exit_code_zero(runs: Runs) -> None:
    told = runs.job("def run():\n    os._exit(0)")
    assert (told.facts.result, told.facts.exit_code) == (None, 0)
    assert crashed(told) == "ended without a result (exit code 0)"


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGTERM"])
def test_a_job_killed_by_a_signal_is_a_crash_with_its_name(runs: Runs, name: str) -> None:
    told = runs.job(f"def run():\n    os.kill(os.getpid(), signal.{name})\n    time.sleep(60)")
    assert told.facts.result is None
    assert crashed(told) == f"killed by {name}"


def test_garbage_on_the_channel_is_no_result(runs: Runs) -> None:
    told = runs.job(
        """
        def run():
            for entry in os.listdir("/proc/self/fd"):
                path = f"/proc/self/fd/{entry}"
                if os.path.exists(path) and os.readlink(path).startswith("socket:"):
                    os.write(int(entry), b"\\xff" * 100 + b'{"type": "result", "ok": true}')
            return {"status": "success"}
        """
    )
    assert told.facts.result is None
    assert crashed(told) == "ended without a result (exit code 0)"


def test_a_job_that_closes_every_descriptor_has_no_result_and_blocks_nobody(runs: Runs) -> None:
    told = runs.job("def run():\n    os.closerange(0, 1000)\n    return 1")
    assert told.facts.result is None
    assert crashed(told)


def test_a_tree_that_ignores_sigterm_is_killed_after_the_grace(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    told = runs.job(
        f"""
        def run():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do sleep 1; done"])
            open({str(file)!r}, "w").write(f"{{child.pid}}\\n")
            time.sleep(600)
        """,
        timeout=0.8,
    )
    assert told.facts.timed_out
    assert (told.facts.result, told.verdict.outcome, told.facts.signal) == (None, "timed_out", 9)
    assert not alive(pid_in(file))


def test_a_job_that_ends_on_sigterm_may_clean_up_within_the_grace(runs: Runs) -> None:
    told = runs.job(
        """
        def run():
            def end(*_):
                print("cleaned up")
                sys.exit(7)
            signal.signal(signal.SIGTERM, end)
            time.sleep(600)
        """,
        timeout=0.8,
    )
    assert told.facts.timed_out
    assert told.facts.exit_code == 7
    assert "cleaned up" in told.output


def test_daemons_in_sessions_of_their_own_that_hold_the_pipe_are_killed(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    told = runs.job(f"{DAEMON}def run():\n    daemon({str(file)!r})\n    return 'left'")
    assert told.facts.result == {"ok": True, "value": "left"}
    assert told.facts.leftovers == 1
    assert not alive(pid_in(file))


def test_threads_that_hang_after_the_result_end_soon_and_the_result_stands(runs: Runs) -> None:
    began = time.monotonic()
    told = runs.job(
        "def run():\n    threading.Thread(target=time.sleep, args=(600,)).start()\n    return 1", timeout=60
    )
    assert told.facts.result == {"ok": True, "value": 1}
    assert not told.facts.timed_out
    assert time.monotonic() - began < 10


def test_what_is_registered_at_exit_is_called(runs: Runs) -> None:
    told = runs.job(
        "import atexit\ndef run():\n    atexit.register(print, 'good', 'bye')\n"
        "    sys.stdout.write('no newline ')"
    )
    assert told.output.endswith("no newline good bye\n")


def test_endless_output_is_ended_by_the_time_limit_and_never_held(runs: Runs) -> None:
    sizes: list[int] = []
    write_job(runs.folder, "def run():\n    while True:\n        print('x' * 1000)")
    told = runs.watch(runs.start(), timeout=1.0, on_output=lambda data: sizes.append(len(data)))
    assert told.facts.timed_out
    assert max(sizes) <= 1 << 16
    assert sum(sizes) > 1 << 20


def test_a_hundred_megabytes_of_output_arrive_whole(runs: Runs) -> None:
    sizes: list[int] = []
    write_job(
        runs.folder,
        "def run():\n    for _ in range(100):\n        os.write(1, b'x' * 1_000_000)\n    return 'printed'",
    )
    told = runs.watch(runs.start(), timeout=60, on_output=lambda data: sizes.append(len(data)))
    assert told.facts.result == {"ok": True, "value": "printed"}
    assert sum(sizes) >= 100_000_000


def test_a_killed_supervisor_is_a_crash_that_leaves_nothing_and_harms_no_next_attempt(
    runs: Runs, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    body = f"""
        def run():
            if os.environ.get("KIND"):
                return "fine"
            daemon({str(file)!r})
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(600)
        """
    write_job(runs.folder, DAEMON + dedent(body))
    attempt = runs.start()
    told = runs.watch(attempt)
    assert told.facts.result is None
    assert crashed(told) == "its supervisor was killed"
    assert not alive(pid_in(file))
    assert not alive(attempt.pid)
    assert runs.run(environ={"KIND": "1"}).facts.result == {"ok": True, "value": "fine"}


@pytest.mark.parametrize("spawn", [False, True], ids=["fork", "spawn"])
def test_a_frozen_supervisor_does_not_keep_its_attempt_alive(tmp_path: Path, spawn: bool) -> None:
    body = "def run():\n    os.kill(os.getppid(), signal.SIGSTOP)\n    time.sleep(600)"
    launcher = Launcher(grace=timedelta(seconds=0.5), report_patience=timedelta(seconds=0.3))
    with contextlib.closing(launcher):
        runs = Runs(launcher, write_job(tmp_path / "bundle", body), spawn)
        attempt = runs.start()
        told = runs.watch(attempt, timeout=0.3)
        assert crashed(told) == "its supervisor was killed"
        assert not alive(attempt.pid)


def test_a_stop_from_another_thread_ends_the_tree_and_keeps_its_reason(runs: Runs) -> None:
    write_job(runs.folder, "def run():\n    subprocess.run(['sleep', '600'])")
    attempt = runs.start()
    attempt.stop("cancelled by tests")
    attempt.stop("another")
    told = runs.watch(attempt)
    assert (told.facts.stopped, told.facts.result, told.facts.timed_out) == (True, None, False)
    assert (told.verdict.outcome, told.verdict.error) == ("cancelled", "cancelled by tests")
    assert not alive(attempt.pid)
    attempt.stop("too late")


def test_a_command_runs_in_the_revisions_folder_with_exactly_its_environment(runs: Runs) -> None:
    told = runs.job(
        "",
        "command=['sh', '-c', 'pwd; env; ls -l /proc/self/fd; cat']",
        secrets={"TOKEN": "s3cret"},
        environ={"SAURON_RUN_ID": "r"},
    )
    assert (told.verdict.outcome, told.verdict.result) == ("succeeded", None)
    lines = told.output.splitlines()
    assert lines[0] == str(runs.folder)
    variables = {line.partition("=")[0] for line in lines if "=" in line}
    assert variables - {"SHLVL", "_"} == {"PATH", "HOME", "TOKEN", "SAURON_RUN_ID"} | SETTLED
    assert "socket" not in told.output


def test_a_command_fails_with_its_exit_code(runs: Runs) -> None:
    verdict = runs.job("", "command=['sh', '-c', 'exit 3']").verdict
    assert (verdict.outcome, verdict.exit_code) == ("failed", 3)
    assert (verdict.error, verdict.error_type) == ("the command ended with exit code 3", "ExitCode")


def test_a_command_that_is_not_there_says_so_and_what_to_do(runs: Runs) -> None:
    facts = runs.job("", "command=['no-such-program']").facts
    assert facts.result is not None
    assert "'no-such-program' cannot be started" in facts.result["error"]
    assert "Install the program" in facts.result["error"]


def test_a_command_killed_by_a_signal_is_a_crash(runs: Runs) -> None:
    killed = crashed(runs.job("", "command=['sh', '-c', 'kill -9 $$']")) or ""
    assert killed.startswith("killed by SIGKILL")  # and more where the kernel does not count its own kills


def test_a_job_has_exactly_its_environment_and_its_parents_show_no_other(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNNER_ONLY", "not for jobs")
    told = runs.job(
        """
        def run():
            shown = [open(f"/proc/{pid}/environ").read() for pid in ("self", os.getppid())]
            return {"own": dict(os.environ), "shown": "".join(shown)}
        """,
        environ={"SAURON_JOB_ID": "job"},
        secrets={"TOKEN": "s3cret"},
    )
    assert told.facts.result is not None
    value = told.facts.result["value"]
    own = {name: given for name, given in value["own"].items() if name not in SETTLED}
    assert own == {**ENVIRON, "SAURON_JOB_ID": "job", "TOKEN": "s3cret"}
    assert value["own"].keys() - own == SETTLED
    assert "RUNNER_ONLY" not in value["shown"]
    if not runs.spawn:
        assert "s3cret" not in value["shown"]


def test_a_job_inherits_no_descriptor_but_its_own(runs: Runs) -> None:
    write_job(
        runs.folder,
        """
        def run():
            own = {}
            for entry in os.listdir("/proc/self/fd"):
                if os.path.lexists(f"/proc/self/fd/{entry}"):
                    own[entry] = os.readlink(f"/proc/self/fd/{entry}").partition(":")[0]
            time.sleep(float(os.environ["PAUSE"]))
            return own
        """,
    )
    first = runs.start(environ={"PAUSE": "60"})
    told = runs.run(environ={"PAUSE": "0"})
    assert told.facts.result is not None
    kinds = told.facts.result["value"]
    assert [kinds[number] for number in "012"] == ["/dev/null", "pipe", "pipe"]
    assert [kind for number, kind in kinds.items() if number not in "012" and kind != "/dev/urandom"] == [
        "socket"
    ]
    first.stop("enough")
    runs.watch(first)


def test_progress_and_state_reach_the_runner(runs: Runs) -> None:
    told = runs.job(
        """
        def run(ctx):
            ctx.progress(0.25, "first")
            for step in range(1000):
                ctx.progress(step / 1000)
            ctx.progress(1, "last")
            ctx.state["seen"] = {"ids": [1, 2]}
            ctx.state.set("n", 1)
            ctx.state.delete("n")
            ctx.state.delete("n")
            state = ctx.state
            return [state["seen"], state.get("none", 5), "none" in state, list(state.keys()), state.get("o")]
        """
    )
    assert told.facts.result == {"ok": True, "value": [{"ids": [1, 2]}, 5, False, ["seen"], None]}
    assert told.progress[0] == (0.25, "first")
    assert told.progress[-1] == (1.0, "last")
    assert len(told.progress) < 100
    assert runs.state == {"seen": {"ids": [1, 2]}}


@pytest.mark.parametrize("value", ["object()", "'x' * 70_000", "float('inf')"])
def test_state_that_cannot_be_kept_is_refused_with_the_reason(runs: Runs, value: str) -> None:
    told = runs.job(f"def run(ctx):\n    ctx.state['k'] = {value}")
    assert told.facts.result is not None
    assert told.facts.result["error_type"] == "StateError"
    assert runs.state == {}


def test_a_context_knows_its_run_and_its_secrets(runs: Runs) -> None:
    told = runs.job(
        """
        def run(ctx):
            ctx.log.info("a line for the log")
            scheduled_for = ctx.scheduled_for.isoformat()
            known = [ctx.job_id, ctx.run_id, ctx.attempt, scheduled_for, ctx.params, ctx.secrets]
            assert ctx.scheduled_for.utcoffset() is not None
            assert (ctx.require_secret("TOKEN"), ctx.get_secret("OTHER", "none")) == ("s3cret", "none")
            print(known)
            try:
                ctx.require_secret("OTHER")
            except RuntimeError:
                print("caught as older jobs do")
            ctx.require_secret("OTHER")
        """,
        attempt=2,
        scheduled_for="2026-03-02T12:00:00+00:00",
        params={"n": 1},
        secrets={"TOKEN": "s3cret"},
    )
    assert "['job', 'run-1', 2, '2026-03-02T12:00:00+00:00', {'n': 1}, {'TOKEN': 's3cret'}]" in told.output
    assert "INFO job.job: a line for the log" in told.output
    assert "caught as older jobs do" in told.output
    assert told.facts.result is not None
    assert "secrets=['OTHER']" in told.facts.result["error"]


def test_params_of_a_model_arrive_validated(runs: Runs) -> None:
    model = "import pydantic\nclass P(pydantic.BaseModel):\n    n: int = 3\n"
    body = f"{model}def run(ctx):\n    return ctx.params.n + 1"
    assert runs.job(body, "func=run, params=P", params={"n": "4"}).facts.result == {"ok": True, "value": 5}
    refused = runs.run(params={"n": "x"}).facts.result
    assert refused is not None
    assert "params do not fit" in refused["error"]


def test_a_job_that_the_revision_does_not_have_fails_with_its_reason(runs: Runs) -> None:
    write_job(runs.folder, "def run():\n    pass", "func=run, overlap='sometimes'")
    result = runs.run().facts.result
    assert result is not None
    assert "overlap is 'sometimes'" in result["error"]
    other = runs.run("gone").facts.result
    assert other is not None
    assert "registers no job 'gone'" in other["error"]


def test_what_a_callback_raises_is_raised_once_the_attempt_was_ended(runs: Runs) -> None:
    write_job(runs.folder, "def run():\n    while True:\n        print('x')\n        time.sleep(0.01)")
    attempt = runs.start()

    def full(_data: bytes) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        runs.watch(attempt, on_output=full)
    assert eventually(lambda: not alive(attempt.pid))


def test_nothing_is_left_after_the_launcher_is_closed(tmp_path: Path) -> None:
    folder = write_job(tmp_path / "bundle", "def run():\n    subprocess.run(['sleep', '600'])")
    launcher = Launcher()
    tag = {"TAG": f"tag-{os.getpid()}-{time.monotonic_ns()}"}
    runs = Runs(launcher, folder, spawn=False)
    attempt = runs.start(environ=tag, zygote_environ={**ENVIRON, **tag})
    runs.start(spawn=True, environ=tag)
    eventually(lambda: len(tagged(tag["TAG"])) >= 6)
    launcher.close()
    assert tagged(tag["TAG"]) == []
    verdict = runs.watch(attempt).verdict
    assert (verdict.outcome, verdict.error) == ("interrupted", "its runner was stopped")
