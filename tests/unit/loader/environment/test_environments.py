"""A bundle's requirements are installed once, completely or not at all, by the real installers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.environment import installation
from sauron_jobs_loader.environment.environments import LOG_KEPT_FOR, Environments, RequirementsError
from sauron_jobs_loader.environment.installation import InstallLog
from sauron_jobs_loader.errors import LoaderError
from tests.bundle_runs import alive, eventually
from tests.wheels import require, write_slow_source, write_wheel

pytestmark = pytest.mark.process

PROJECT = Path(__file__).resolve().parents[4]
MAKE = """
import os, sys
from pathlib import Path
from sauron_jobs_loader.environment.environments import Environments
print(Environments(Path(sys.argv[1]), environ=os.environ).python(Path(sys.argv[2])))
"""


@pytest.fixture(params=["pip", "uv"])
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder for PATH that makes the one or the other installer be taken."""
    folder = tmp_path / "programs"
    folder.mkdir()
    if request.param == "uv":
        uv = shutil.which("uv")
        if uv is None:
            pytest.skip("uv is not on PATH")
        (folder / "uv").symlink_to(uv)
    return folder


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    write_wheel(tmp_path / "wheels", "tiny", "1.0")
    return write_wheel(tmp_path / "wheels", "tiny", "2.0").parent


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "control"
    folder.mkdir()
    yield folder
    (folder / "go").touch()


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A checkout that installs a package of its own, whose build waits."""
    write_slow_source(tmp_path / "slow" / "lib")
    return require(tmp_path / "slow", "./lib")


@pytest.fixture
def environ(tmp_path: Path, programs: Path) -> dict[str, str]:
    return {"PATH": str(programs), "HOME": str(tmp_path / "home"), "CONTROL": str(tmp_path / "control")}


@pytest.fixture
def environments(tmp_path: Path, environ: dict[str, str]) -> Environments:
    return Environments(tmp_path / "environments", environ=environ, timeout=timedelta(seconds=100))


def say(python: Path, code: str) -> str:
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def builds(control: Path) -> list[tuple[int, int]]:
    file = control / "builds"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(build), int(child)) for build, child in (line.split() for line in lines)]


def left(environments: Environments, folder: Path) -> list[str]:
    log = environments.log_file(folder)
    assert log is not None
    return sorted(
        entry.name for entry in log.parent.iterdir() if entry.name not in {log.name, "install.lock"}
    )


def test_a_bundle_without_requirements_runs_with_our_own_python(
    environments: Environments, tmp_path: Path
) -> None:
    assert environments.key(tmp_path) is None
    assert environments.log_file(tmp_path) is None
    assert environments.python(tmp_path) == Path(sys.executable)
    assert not (tmp_path / "environments").exists()


def test_bundles_have_the_versions_they_pin_at_the_same_time(
    environments: Environments, tmp_path: Path, wheels: Path
) -> None:
    old = environments.python(require(tmp_path / "a", "tiny==1.0", wheels=wheels))
    new = environments.python(require(tmp_path / "b", "tiny==2.0", wheels=wheels))
    assert [say(python, "import tiny; print(tiny.__version__)") for python in (old, new)] == ["1.0", "2.0"]


def test_saurons_packages_stay_importable_and_the_bundles_pins_win_over_them(
    environments: Environments, tmp_path: Path, wheels: Path
) -> None:
    write_wheel(wheels, "croniter", "999.0")
    python = environments.python(require(tmp_path / "a", "croniter", wheels=wheels))
    code = "import croniter, sauron_jobs_loader, jsonschema; from importlib.metadata import version; "
    assert say(python, code + "print(croniter.__version__, version('croniter'))") == "999.0 999.0"
    assert say(Path(sys.executable), code + "print(version('croniter'))") != "999.0"


def test_equal_requirements_are_installed_once(
    environments: Environments, tmp_path: Path, wheels: Path
) -> None:
    first = environments.python(require(tmp_path / "a", "tiny==1.0", wheels=wheels))
    shutil.rmtree(wheels)
    log = environments.log_file(tmp_path / "a")
    assert log is not None
    written = log.stat().st_mtime_ns
    assert environments.python(require(tmp_path / "b", "tiny==1.0", wheels=wheels)) == first
    assert log.stat().st_mtime_ns == written


def test_the_log_tells_what_was_done(environments: Environments, tmp_path: Path, wheels: Path) -> None:
    environments.python(require(tmp_path / "a", "tiny==1.0", wheels=wheels))
    log = environments.log_file(tmp_path / "a")
    assert log is not None
    text = log.read_text()
    assert "install" in text
    assert "tiny" in text
    assert text.endswith("Complete.\n")


def test_a_failing_installation_says_why_and_leaves_nothing(
    environments: Environments, tmp_path: Path, wheels: Path
) -> None:
    folder = require(tmp_path / "a", "tiny==3.0", wheels=wheels)
    with pytest.raises(LoaderError) as failed:
        environments.python(folder)
    assert isinstance(failed.value, RequirementsError)
    assert failed.value.exit_code == 1
    assert "tiny==3.0" in str(failed.value)
    assert str(environments.log_file(folder)) in str(failed.value)
    assert left(environments, folder) == []
    write_wheel(wheels, "tiny", "3.0")
    assert say(environments.python(folder), "import tiny; print(tiny.__version__)") == "3.0"


def test_pins_that_break_saurons_own_packages_are_refused(
    environments: Environments, tmp_path: Path, wheels: Path
) -> None:
    write_wheel(wheels, "sauron_jobs_loader", "1", "raise ImportError('not the real one')")
    folder = require(tmp_path / "a", "sauron_jobs_loader", wheels=wheels)
    with pytest.raises(RequirementsError, match=r"(?s)those of Sauron cannot be imported.*not the real one"):
        environments.python(folder)
    assert left(environments, folder) == []


def test_no_credentials_are_said(tmp_path: Path, environ: dict[str, str]) -> None:
    environ |= {"FEED_TOKEN": "tok-9917-x", "PIP_NO_INDEX": "", "PIP_RETRIES": "0", "UV_HTTP_RETRIES": "0"}
    environ |= {"MIRROR": "mirror-pass"}
    (tmp_path / "requirements.txt").write_text(
        "--index-url http://me:s3cr%40t@127.0.0.1:9/simple\n--extra-index-url http://you:${MIRROR}@127.0.0.1:9/other\n"
        "tiny @ http://127.0.0.1:9/${FEED_TOKEN}/tiny-1.0-py3-none-any.whl\n"
    )
    environments = Environments(tmp_path / "environments", environ=environ)
    with pytest.raises(RequirementsError) as failed:
        environments.python(tmp_path)
    log = environments.log_file(tmp_path)
    assert log is not None
    said = str(failed.value) + log.read_text()
    assert "127.0.0.1" in said
    assert not any(secret in said for secret in ("s3cr%40t", "s3cr@t", "mirror-pass", "tok-9917-x"))


def test_the_time_limit_ends_the_whole_installation(
    environments: Environments, tmp_path: Path, environ: dict[str, str], slow: Path, control: Path
) -> None:
    impatient = Environments(tmp_path / "environments", environ=environ, timeout=timedelta(seconds=10))
    with pytest.raises(RequirementsError, match="not installed within 10 s") as failed:
        impatient.python(slow)
    assert failed.value.exit_code is None
    assert builds(control), failed.value
    assert eventually(lambda: not any(alive(pid) for pair in builds(control) for pid in pair), 20)
    assert left(impatient, slow) == []
    (control / "go").touch()
    assert say(environments.python(slow), "import built; print(built.VALUE)") == "1"


def test_closing_ends_an_installation_and_begins_none_any_more(
    environments: Environments, slow: Path, control: Path
) -> None:
    with ThreadPoolExecutor(1) as pool:
        making = pool.submit(environments.python, slow)
        (pids,) = eventually(lambda: builds(control), 60)
        environments.close()
        with pytest.raises(RequirementsError, match="Sauron is stopping"):
            making.result(timeout=30)
    assert eventually(lambda: not any(map(alive, pids)), 20)
    assert left(environments, slow) == []
    with pytest.raises(RequirementsError, match="Sauron is stopping"):
        environments.python(slow)


def test_a_kill_in_the_midst_leaves_nothing_that_is_used(
    environments: Environments, tmp_path: Path, environ: dict[str, str], slow: Path, control: Path
) -> None:
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKE, tmp_path / "environments", slow],
        env=environ,
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
    )
    (pids,) = eventually(lambda: builds(control), 60)
    os.kill(maker.pid, signal.SIGKILL)
    maker.wait()
    assert left(environments, slow) == [environments.key(slow)]
    (control / "go").touch()
    assert say(environments.python(slow), "import built; print(built.VALUE)") == "1"
    assert eventually(lambda: not any(map(alive, pids)), 20)
    assert left(environments, slow) == [environments.key(slow)]


def test_two_processes_at_once_make_it_once(
    tmp_path: Path, environ: dict[str, str], slow: Path, control: Path
) -> None:
    command = [sys.executable, "-c", MAKE, str(tmp_path / "environments"), str(slow)]
    makers = [
        subprocess.Popen(command, env=environ, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    eventually(lambda: builds(control), 60)
    (control / "go").touch()
    first, second = (maker.communicate(timeout=60)[0] for maker in makers)
    assert first == second
    assert Path(first.strip()).exists()
    assert len(builds(control)) == 1


def test_a_checkout_is_not_written_to_and_its_own_package_outlives_it(
    environments: Environments, tmp_path: Path, slow: Path, control: Path
) -> None:
    (control / "go").touch()
    before = sorted(str(path) for path in slow.rglob("*"))
    python = environments.python(slow)
    assert sorted(str(path) for path in slow.rglob("*")) == before
    assert not (python.parents[1] / "bundle").exists()
    key = environments.key(slow)
    (slow / "lib" / "built.py").write_text("VALUE = 2\n")
    assert environments.key(slow) != key
    assert say(environments.python(slow), "import built; print(built.VALUE)") == "2"
    shutil.rmtree(slow)
    assert say(python, "import built; print(built.VALUE)") == "1"


def test_pruning_removes_what_no_checkout_needs(
    tmp_path: Path, environ: dict[str, str], wheels: Path
) -> None:
    later = [time.time()]
    environments = Environments(tmp_path / "environments", environ=environ, now=lambda: later[0])
    kept = environments.python(require(tmp_path / "a", "tiny==1.0", wheels=wheels))
    gone = environments.python(require(tmp_path / "b", "tiny==2.0", wheels=wheels))
    root = tmp_path / "environments"
    half = root / ("0" * 32)
    for leftover in (half, root / "x.gone"):
        (leftover / "bin").mkdir(parents=True)
    log = environments.log_file(tmp_path / "b")
    assert log is not None
    assert environments.prune([tmp_path / "a", tmp_path]) == sorted([gone.parents[1].name, half.name])
    assert kept.exists()
    assert log.exists()
    later[0] += LOG_KEPT_FOR.total_seconds() + 60
    assert environments.prune([tmp_path / "a"]) == []
    assert sorted(entry.name for entry in root.iterdir()) == sorted(
        [kept.parents[1].name, f"{kept.parents[1].name}.log", "install.lock"]
    )


def test_pruning_leaves_what_is_being_installed(
    environments: Environments, slow: Path, control: Path
) -> None:
    made: list[Path] = []
    making = threading.Thread(target=lambda: made.append(environments.python(slow)))
    making.start()
    try:
        eventually(lambda: builds(control), 60)
        assert environments.prune([]) == []
    finally:
        (control / "go").touch()
        making.join(60)
    assert say(made[0], "import built; print(built.VALUE)") == "1"


def test_a_folder_that_cannot_be_written_is_named(
    environ: dict[str, str], tmp_path: Path, wheels: Path
) -> None:
    (tmp_path / "file").touch()
    environments = Environments(tmp_path / "file" / "environments", environ=environ)
    with pytest.raises(LoaderError, match=str(tmp_path / "file")):
        environments.python(require(tmp_path / "a", "tiny", wheels=wheels))
    assert environments.prune([]) == []


def test_a_long_log_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    log = InstallLog(tmp_path / "log", ["p4ssword"])
    log.feed(b"the beginning\nhttps://u:p4ss")
    assert (tmp_path / "log").read_text() == "the beginning\n"
    log.feed(b"word@host p4ssword " + b"x" * installation.LINE_LIMIT * 3 + b"\n")
    for number in range(installation.LOG_LIMIT // 100):
        log.feed(f"{number:0>200}\n".encode())
    log.feed(b"the end")
    log.close()
    text = (tmp_path / "log").read_text()
    assert text.startswith("the beginning\nhttps://***@host *** xxx")
    assert text.endswith("\nthe end\n")
    assert "bytes left out" in text
    assert len(text) < installation.LOG_LIMIT + installation.TAIL_LIMIT + 200
    assert log.tail.endswith("the end")
