"""What a boot answers for any manifest, and that a revision's process can be lost and had again."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.errors import BootError
from sauron_jobs_loader.launch.launcher import Bundle, Launcher
from tests.bundle_runs import ENVIRON, IMPORTS, SHA, Runs, alive, eventually, tagged, write_bundle, write_job


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with contextlib.closing(
        Launcher(grace=timedelta(seconds=0.4), boot_timeout=timedelta(seconds=20))
    ) as made:
        yield made


@pytest.fixture
def tag(tmp_path: Path) -> Iterator[str]:
    name = f"boot-{os.getpid()}-{tmp_path.name}"
    yield name
    assert tagged(name) == []


def boot(launcher: Launcher, folder: Path, manifest: str, tag: str = "", **modules: str) -> Bundle:
    return launcher.boot(SHA, write_bundle(folder, manifest, **modules), {**ENVIRON, "TAG": tag})


def test_a_boot_answers_the_jobs_and_what_was_left_out_with_its_place(
    launcher: Launcher, tmp_path: Path
) -> None:
    bundle = boot(
        launcher,
        tmp_path,
        IMPORTS
        + """
from jobs.report import run
job_registry.register(JobConfig(id="report", cron="0 8 * * *", func=run, secrets=["KEY"], tags=["daily"]))
job_registry.register(JobConfig(id="report", cron="0 9 * * *", func=run))
job_registry.register(JobConfig(id="Bad Id", cron="0 9 * * *", func=run, timeout_second=5))
job_registry.register("nonsense")
job_registry.register(JobConfig(id="size", cron="@daily", command=["df"]))
""",
        report="async def run(ctx):\n    return 1\n",
    )
    assert [job["id"] for job in bundle.jobs] == ["report", "size"]
    report, size = bundle.jobs
    assert (report["entrypoint"], report["place"], report["cron"]) == (
        "jobs.report:run",
        "manifest.py:5",
        "0 8 * * *",
    )
    assert (size["entrypoint"], size["command"], size["timeout_seconds"]) == ("command: df", ["df"], 300)
    assert [(left.job_id, left.place) for left in bundle.rejected] == [
        ("report", "manifest.py:6"),
        ("Bad Id", "manifest.py:7"),
        ("?", "manifest.py:8"),
    ]
    assert "Did you mean 'timeout_seconds'?" in bundle.rejected[1].reason
    assert bundle.left_behind == ()


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("import os\ndef broken(:\n", r"^manifest\.py:2: SyntaxError: "),
        (
            "import os\nimport not_there\n",
            r"^manifest\.py:2: ModuleNotFoundError: No module named 'not_there'.*requirements.txt",
        ),
        ("from jobs.report import absent\n", r"^manifest\.py:1: ImportError: cannot import name 'absent'"),
        ("import jobs.broken\n", r"^jobs/broken\.py:3: ZeroDivisionError: division by zero"),
        ("import jobs.worse\n", r"^jobs/worse\.py:1: SyntaxError: "),
        ("x = 1\0\n", r"^manifest\.py(:\d+)?: SyntaxError: the file holds NUL bytes, as UTF-16 does; save"),
        (
            "import sys\nprint('leaving')\nsys.exit(0)\n",
            r"(?s)^manifest\.py:3: .*sys\.exit\(0\).*Remove it.*leaving",
        ),
        (
            "import os\nprint('gone', flush=True)\nos._exit(0)\n",
            r"(?s)its process ended with exit code 0.*os\._exit.*gone",
        ),
        ("import os\nos.kill(os.getpid(), 11)\n", r"killed by signal 11"),
        ("import os\nos.closerange(3, 1000)\n", r"manifest\.py"),
        ("raise BaseException('all of it')\n", r"^manifest\.py:1: BaseException: all of it"),
        ("import sys\nsys.setrecursionlimit(200)\ndef f(): f()\nf()\n", r"^manifest\.py:3: RecursionError"),
    ],
)
def test_a_manifest_that_cannot_be_executed_is_refused_with_its_place(
    launcher: Launcher, tmp_path: Path, tag: str, manifest: str, words: str
) -> None:
    modules = {"report": "", "broken": "def f():\n    pass\n1 / 0\n", "worse": "def f(:\n"}
    with pytest.raises(BootError) as caught:
        boot(launcher, tmp_path, manifest, tag, **modules)
    assert re.search(words, str(caught.value)), str(caught.value)
    assert "importlib" not in str(caught.value)


def test_a_bundle_without_a_manifest_is_refused_with_what_to_add(launcher: Launcher, tmp_path: Path) -> None:
    with pytest.raises(BootError, match=r"no manifest\.py at its top.*sauron init"):
        launcher.boot(SHA, tmp_path, ENVIRON)


def test_a_revision_whose_folder_is_gone_is_refused(launcher: Launcher, tmp_path: Path) -> None:
    with pytest.raises(BootError, match="no folder at"):
        launcher.boot(SHA, tmp_path / "gone", ENVIRON)


@pytest.mark.parametrize("loop", ["while True:\n    pass", "while True:\n    print('x' * 1000)"])
def test_a_manifest_that_never_ends_is_ended_with_all_it_started(tmp_path: Path, tag: str, loop: str) -> None:
    manifest = (
        f"import subprocess, time\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n{loop}\n"
    )
    with contextlib.closing(Launcher(boot_timeout=timedelta(seconds=1))) as launcher:
        with pytest.raises(BootError, match="did not finish loading within 1 s") as caught:
            boot(launcher, tmp_path, manifest, tag)
        assert tagged(tag) == []
    assert len(str(caught.value)) < 5000


def test_a_manifest_may_print_a_hundred_megabytes(launcher: Launcher, tmp_path: Path) -> None:
    assert (
        boot(launcher, tmp_path, "import os\nfor _ in range(100):\n    os.write(1, b'x' * 1_000_000)\n").jobs
        == ()
    )


def test_what_loading_a_manifest_started_ends_with_it(tmp_path: Path, tag: str) -> None:
    with contextlib.closing(Launcher()) as launcher:
        boot(
            launcher,
            tmp_path,
            "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n",
            tag,
        )
        assert tagged(tag)


def test_a_bundle_that_starts_threads_is_spawned_for_every_attempt(
    launcher: Launcher, tmp_path: Path
) -> None:
    runs = Runs(launcher, tmp_path, spawn=False)
    write_job(
        tmp_path,
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "def run():\n    return os.getppid()",
    )
    assert launcher.boot(SHA, tmp_path, ENVIRON).left_behind == ("a thread",)
    told = runs.run(environ=ENVIRON)
    assert told.facts.result is not None
    assert told.facts.result["ok"]


def test_a_spawned_attempt_of_a_broken_bundle_fails_with_the_place(
    launcher: Launcher, tmp_path: Path
) -> None:
    told = Runs(launcher, tmp_path, spawn=True).job("1 / 0\ndef run():\n    pass")
    assert told.facts.result is not None
    assert told.facts.result["error_type"] == "BootError"
    assert told.facts.result["error"].startswith("manifest.py:3: ZeroDivisionError")


def test_an_endless_manifest_of_a_spawned_attempt_is_under_its_time_limit(
    launcher: Launcher, tmp_path: Path
) -> None:
    told = Runs(launcher, tmp_path, spawn=True).job(
        "while True:\n    pass\ndef run():\n    pass", timeout=0.7
    )
    assert told.facts.timed_out


def test_a_job_that_kills_its_zygote_gets_its_verdict_and_the_next_attempt_starts(
    launcher: Launcher, tmp_path: Path
) -> None:
    body = """
        def run():
            if os.environ.get("KIND") == "wait":
                time.sleep(1)
            if os.environ.get("KIND") == "kill":
                zygote = open(f"/proc/{os.getppid()}/stat").read().rpartition(")")[2].split()[1]
                os.kill(int(zygote), signal.SIGKILL)
            return os.environ.get("KIND")
        """
    write_job(tmp_path, body)
    runs = Runs(launcher, tmp_path, spawn=False)
    waiting = runs.start(environ={"KIND": "wait"})
    assert runs.run(environ={"KIND": "kill"}).facts.result == {"ok": True, "value": "kill"}
    assert runs.run(environ={"KIND": "next"}).facts.result == {"ok": True, "value": "next"}
    assert runs.watch(waiting).facts.result == {"ok": True, "value": "wait"}


@pytest.mark.parametrize("target", ["os.getpgid(os.getppid())", "os.getsid(os.getppid())"])
def test_a_job_that_kills_a_group_of_ours_leaves_nothing_and_the_next_attempt_starts(
    launcher: Launcher, tmp_path: Path, target: str
) -> None:
    write_job(
        tmp_path,
        "def run():\n    if os.environ.get('KIND'):\n        return 1\n"
        f"    os.killpg({target}, 9)\n    time.sleep(600)",
    )
    runs = Runs(launcher, tmp_path, spawn=False)
    attempt = runs.start()
    facts = runs.watch(attempt, timeout=2).facts
    assert facts.result is None
    assert eventually(lambda: not alive(attempt.pid))
    assert runs.run(environ={"KIND": "1"}).facts.result == {"ok": True, "value": 1}


def test_a_retired_revision_ends_after_its_last_attempt(launcher: Launcher, tmp_path: Path, tag: str) -> None:
    write_job(tmp_path, "def run():\n    time.sleep(0.5)\n    return 'to the end'")
    runs = Runs(launcher, tmp_path, spawn=False)
    attempt = runs.start(zygote_environ={**ENVIRON, "TAG": tag})
    launcher.retire(keep=[])
    assert runs.watch(attempt).facts.result == {"ok": True, "value": "to the end"}
    assert eventually(lambda: not tagged(tag))
    assert runs.run().facts.result == {"ok": True, "value": "to the end"}


def test_a_kept_revision_stays_warm(launcher: Launcher, tmp_path: Path) -> None:
    write_job(tmp_path, "HELD = os.getpid()\ndef run():\n    return HELD")
    runs = Runs(launcher, tmp_path, spawn=False)
    first = runs.run().facts.result
    launcher.retire(keep=[SHA])
    launcher.boot(SHA, tmp_path, ENVIRON)
    assert runs.run().facts.result == first


def test_attempts_of_several_threads_do_not_mix(launcher: Launcher, tmp_path: Path) -> None:
    write_job(
        tmp_path,
        "def run(ctx):\n    print(os.environ['N'] * 3)\n"
        "    ctx.state[os.environ['N']] = 1\n    return os.environ['N']",
    )
    runs = Runs(launcher, tmp_path, spawn=False)
    faults: list[object] = []

    def several(thread: int) -> None:
        for number in range(10):
            name = f"<{thread}.{number}>"
            told = runs.run(environ={"N": name})
            if told.facts.result != {"ok": True, "value": name} or told.output != name * 3 + "\n":
                faults.append(told)

    threads = [threading.Thread(target=several, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(runs.state) == 80


def test_no_process_and_no_descriptor_is_left_by_many_attempts(launcher: Launcher, tmp_path: Path) -> None:
    write_job(tmp_path, "def run():\n    pass")
    runs = Runs(launcher, tmp_path, spawn=False)
    runs.run()
    before = open_descriptors()
    for _ in range(20):
        runs.run()
    for _ in range(3):
        runs.run(spawn=True)
    assert open_descriptors() == before
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    eventually(lambda: all(_is_quiet(int(pid)) for pid in children))


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def _is_quiet(pid: int) -> bool:
    """Return whether only guard, zygote and one free supervisor with its waiting process are there."""
    try:
        supervisors = [below for zygote in _below(pid) for below in _below(zygote)]
        waiting = [process for one in supervisors for process in _below(one)]
        return len(supervisors) <= 1 and len(waiting) <= 1 and not any(_below(one) for one in waiting)
    except OSError:
        return True


def _below(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_children_of_one_zygote_draw_different_random_numbers(launcher: Launcher, tmp_path: Path) -> None:
    write_job(tmp_path, "import random\ndef run():\n    return random.random()")
    runs = Runs(launcher, tmp_path, spawn=False)
    assert len({str(runs.run().facts.result) for _ in range(3)}) == 3


def test_loading_and_running_write_nothing_into_the_revision(launcher: Launcher, tmp_path: Path) -> None:
    write_bundle(
        tmp_path,
        IMPORTS
        + "from jobs.a import run\njob_registry.register(JobConfig(id='job', cron='* * * * *', func=run))\n",
        a="def run():\n    from jobs import b\n    return b.X",
        b="X = 1",
    )
    before = sorted(tmp_path.rglob("*"))
    runs = Runs(launcher, tmp_path, spawn=False)
    assert runs.run().facts.result == runs.run(spawn=True).facts.result == {"ok": True, "value": 1}
    assert sorted(tmp_path.rglob("*")) == before


def test_a_forked_attempt_starts_within_milliseconds(launcher: Launcher, tmp_path: Path) -> None:
    write_job(tmp_path, "def run():\n    return time.monotonic()")
    runs = Runs(launcher, tmp_path, spawn=False)
    runs.run()
    waits = []
    for _ in range(15):
        began = time.monotonic()
        result = runs.run().facts.result
        assert result is not None
        waits.append(result["value"] - began)
    assert sorted(waits)[len(waits) // 2] < 0.1
