"""The image is built once for a run of these tests; each test starts containers of it."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.outside import Repository, Served
from tests.image.boxed import Boxed
from tests.image.workshop import Image, Workshop, missing

BUNDLE = {
    "manifest.py": """
from sauron_jobs_loader import JobConfig, job_registry
from jobs.sample import keeps, secretive, stubborn

job_registry.register(JobConfig(id="every-minute", cron="* * * * *", func=keeps))
job_registry.register(JobConfig(id="keeps", cron="0 0 1 1 *", func=keeps, max_attempts=1))
job_registry.register(JobConfig(id="secretive", cron="0 0 1 1 *", func=secretive, max_attempts=1,
    secrets=["GITHUB_TOKEN", "CRM_TOKEN", "LEDGER_TOKEN"]))
job_registry.register(JobConfig(id="stubborn", cron="0 0 1 1 *", func=stubborn, max_attempts=1))
""",
    "jobs/sample.py": """
import os, signal, subprocess, time

def keeps(ctx):
    ctx.state["last"] = ctx.run_id
    told = {name: os.environ.get(name) for name in ("TZ", "HTTPS_PROXY", "NO_PROXY", "HTTP_PROXY")}
    print("uid", os.getuid(), told, subprocess.check_output(["git", "--version"], text=True))

def secretive(ctx):
    print(sum(len(ctx.require_secret(name)) for name in ("GITHUB_TOKEN", "CRM_TOKEN", "LEDGER_TOKEN")))
    print(ctx.require_secret("CRM_TOKEN"))

def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("begun", flush=True)
    while True:
        time.sleep(0.1)
""",
}


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    if why := missing():
        pytest.skip(why)
    made = Workshop(
        Path(tempfile.mkdtemp(prefix="sauron-image-", dir="/var/tmp"))
    )  # on a disk: it takes 1 GB
    yield made
    made.close()


@pytest.fixture(scope="session")
def image(workshop: Workshop) -> Image:
    workshop.make_base()
    return workshop.make_image()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle's repository as a host keeps it: of another user than the image's, open to all."""
    repository = Repository(tmp_path_factory.mktemp("bundle"))
    repository.commit(BUNDLE)
    for folder, _, files in os.walk(repository.folder):
        Path(folder).chmod(0o755)
        for file in files:
            (Path(folder) / file).chmod(0o644)
    return repository.folder


@pytest.fixture(scope="session")
def volume(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Make an empty volume, which takes owner and mode from the image's folder."""

    def make() -> Path:
        folder = tmp_path_factory.mktemp("volume")
        there = (image.root / "data").stat()
        os.chown(folder, there.st_uid, there.st_gid)
        folder.chmod(stat.S_IMODE(there.st_mode))
        return folder

    return make


Start = Callable[..., Served]


@pytest.fixture(scope="session")
def start(image: Image, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a container over a volume, with the bundle at /bundle; everything started ends with the tests."""
    started: list[Served] = []

    def begin(data: Path, *, secrets: Path | None = None, read_only: bool = False, **given: str) -> Served:
        folder = tmp_path_factory.mktemp("container")
        given = {"API_PORT": free_port(), "JOBS_GIT_REPO_URL": "/bundle", **given}
        readable = {"/bundle": bundle} | ({"/run/secrets": secrets} if secrets else {})
        process = Boxed(
            image, folder, given, writable={"/data": data}, readable=readable, read_only=read_only
        )
        started.append(Served(folder, given, process))
        return started[-1]

    yield begin
    for one in started:
        one.close()


def free_port() -> str:
    """Return a port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])
