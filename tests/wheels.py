"""Packages made by hand, so that a real installer has something to install without any network."""

from __future__ import annotations

import zipfile
from pathlib import Path
from textwrap import dedent

BACKEND = """
import os, pathlib, signal, subprocess, sys, time, zipfile

METADATA = "Metadata-Version: 2.1\\nName: built\\nVersion: 1.0\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    info = pathlib.Path(directory, "built-1.0.dist-info")
    info.mkdir()
    info.joinpath("METADATA").write_text(METADATA)
    info.joinpath("WHEEL").write_text(WHEEL)
    return info.name

def build_wheel(directory, config_settings=None, metadata_directory=None):
    control = pathlib.Path(os.environ["CONTROL"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with control.joinpath("builds").open("a") as builds:
        builds.write(f"{os.getpid()} {child.pid}\\n")
    pathlib.Path("written-by-the-build").touch()
    while not control.joinpath("go").exists():
        time.sleep(0.01)
    child.kill()
    with zipfile.ZipFile(os.path.join(directory, "built-1.0-py3-none-any.whl"), "w") as wheel:
        wheel.write("built.py")
        wheel.writestr("built-1.0.dist-info/METADATA", METADATA)
        wheel.writestr("built-1.0.dist-info/WHEEL", WHEEL)
        names = [*wheel.namelist(), "built-1.0.dist-info/RECORD"]
        wheel.writestr(names[-1], "".join(f"{name},,\\n" for name in names))
    return "built-1.0-py3-none-any.whl"
"""


def write_wheel(
    folder: Path, name: str, version: str, module: str = "", *, requires: str = "", script: str = ""
) -> Path:
    """Write a wheel of one module, `name`; `script` is a console script that calls its `main`."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"__version__ = {version!r}\n{dedent(module)}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if script:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{script} = {name}:main\n"
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return wheel


def write_slow_source(folder: Path) -> Path:
    """Write a source tree `built` whose build notes its pids in $CONTROL/builds and waits for $CONTROL/go."""
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (folder / "backend.py").write_text(BACKEND)
    (folder / "built.py").write_text("VALUE = 1\n")
    return folder


def require(folder: Path, *lines: str, wheels: Path | None = None) -> Path:
    """Write a checkout's requirements.txt, which never reaches for an index."""
    folder.mkdir(parents=True, exist_ok=True)
    options = ["--no-index", *([f"--find-links {wheels}"] if wheels else [])]
    (folder / "requirements.txt").write_text("\n".join([*options, *lines]) + "\n")
    return folder
