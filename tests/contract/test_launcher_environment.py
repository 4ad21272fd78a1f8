"""Jobs run with what their bundle's requirements.txt installs, each bundle with its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from sauron_jobs_loader.environment.environments import Environments
from sauron_jobs_loader.launch.launcher import Launcher
from tests.bundle_runs import ENVIRON, Runs, eventually, write_job
from tests.wheels import require, write_wheel

JOB = """
import tiny
from importlib.metadata import version
def run():
    import jsonschema
    program = subprocess.run(["tiny"], capture_output=True, text=True, check=True).stdout.strip()
    process = {"pid": os.getppid(), "prefix": sys.prefix}
    return {"status": "success", "tiny": tiny.__version__, "program": program, **process}
"""
MODULE = "def main():\n    print('tiny', __version__)\n"


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with contextlib.closing(Launcher(grace=timedelta(seconds=0.4))) as made:
        yield made


@pytest.mark.parametrize("spawn", [False, True])
def test_each_bundle_runs_with_its_own_requirements(launcher: Launcher, tmp_path: Path, spawn: bool) -> None:
    environments = Environments(tmp_path / "environments", environ=ENVIRON | {"HOME": str(tmp_path)})
    pythons = {}
    for version in ("1.0", "2.0"):
        wheels = write_wheel(tmp_path / "wheels", "tiny", version, MODULE, script="tiny").parent
        folder = write_job(require(tmp_path / version, f"tiny=={version}", wheels=wheels), JOB)
        pythons[version] = environments.python(folder)
        assert launcher.boot(version, folder, ENVIRON, python=pythons[version]).rejected == ()
    for version, python in pythons.items():
        result = Runs(launcher, tmp_path / version, spawn, python=python).run(sha=version).facts.result
        assert result is not None
        assert result["ok"], result
        value = result["value"]
        assert (value["tiny"], value["program"]) == (version, f"tiny {version}")
        assert value["prefix"] == str(python.parents[1])


def test_a_revision_whose_process_died_is_booted_with_its_environment_again(
    launcher: Launcher, tmp_path: Path
) -> None:
    wheels = write_wheel(tmp_path / "wheels", "tiny", "1.0").parent
    folder = write_job(
        require(tmp_path / "bundle", "tiny", wheels=wheels),
        "def run():\n    import tiny\n    os.kill(os.getppid(), 0)\n    return tiny.__version__\n",
    )
    python = Environments(tmp_path / "environments", environ=ENVIRON | {"HOME": str(tmp_path)}).python(folder)
    runs = Runs(launcher, folder, spawn=False, python=python)
    assert runs.run().facts.result == {"ok": True, "value": "1.0"}
    (zygote,) = launcher._zygotes.values()
    zygote.process.kill()
    eventually(lambda: zygote.ended)
    assert runs.run().facts.result == {"ok": True, "value": "1.0"}
    launcher.retire([])
    launcher.boot("f" * 40, folder, ENVIRON, python=python)
