"""The targets that are local processes: one runner, two on one PostgreSQL, and `chalice local`."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import ClassVar

from tests.conftest import Databases
from tests.e2e.outside import PATIENCE, ROOT, Served, environ_of, start

from .target import ADMIN, Target

CLOCK_PATIENCE = 75.0  # the clock goes round once a minute


class Runners(Target):
    """Processes that each answer HTTP, tell the time and work. Each start writes a log of its own."""

    folders: ClassVar[tuple[str, ...]] = ("runner",)
    ends_with: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, home: Path, databases: Databases) -> None:
        super().__init__(home, databases)
        self._served: list[Served] = []
        self._earlier: list[str] = []

    def start(self, **environ: str) -> None:
        self.environ = environ
        self._served = [self._begin(self.home / folder, environ) for folder in self.folders]
        for served in self._served:
            self._wait(served)

    def stop(self) -> None:
        for served in self._served:
            served.process.send_signal(self.ends_with)
        for served in self._served:
            served.process.wait(PATIENCE + 30)
        self._ended()

    def kill(self) -> None:
        for served in self._served:
            served.process.kill()
        for served in self._served:
            served.process.wait(PATIENCE)
        self._ended()

    def close(self) -> None:
        self.kill()
        self._client.close()

    def tick_now(self) -> None:
        """The clock cannot be hurried: wait until it has come round."""
        before = self.get("/status")["last_tick"]["at"]
        self.until(
            lambda: self.get("/status")["last_tick"]["at"] != before,
            "the clock comes round",
            more=CLOCK_PATIENCE,
        )

    @property
    def urls(self) -> Sequence[str]:
        return [served.url for served in self._served]

    @property
    def written(self) -> str:
        return "".join([*self._earlier, *(served.said() + served.logged() for served in self._served)])

    def _begin(self, folder: Path, environ: dict[str, str]) -> Served:
        return start(folder, **environ)

    def _wait(self, served: Served) -> None:
        served.until_ready(Authorization=f"Bearer {ADMIN}")

    def _ended(self) -> None:
        self._earlier = [self.written]
        for served in self._served:
            served.close()
        self._served = []


class Container(Runners):
    """One `python -m sauron.main` on SQLite: the default."""

    name = "container"

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.home}/runner/.sauron/sauron.sqlite3"


class Postgres(Runners):
    """Two runners on one PostgreSQL, each with its own folder for the bundle. Requests go to them in turn."""

    name = "postgres"
    folders = ("one", "two")

    def __init__(self, home: Path, databases: Databases) -> None:
        super().__init__(home, databases)
        self._url = databases.make(migrated=False).replace("+psycopg", "")

    @property
    def store_url(self) -> str:
        return self._url

    def _begin(self, folder: Path, environ: dict[str, str]) -> Served:
        return start(folder, **environ, JOB_QUEUE_DB_URL=self._url)


class ChaliceLocal(Runners):
    """`chalice local` as `make dev` starts it, in a folder of links, since Chalice changes to its project."""

    name = "chalice-local"
    ends_with = signal.SIGINT

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.home}/runner/store.sqlite3"

    def _begin(self, folder: Path, environ: dict[str, str]) -> Served:
        project = folder / "project"
        project.mkdir(parents=True, exist_ok=True)
        for name in ("app.py", ".chalice"):
            if not (project / name).exists():
                (project / name).symlink_to(ROOT / name)
        port = _free_port()
        own = {
            "JOB_QUEUE_DB_URL": self.store_url,
            "JOBS_DIR": str(folder / "jobs"),
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        known = environ_of(**environ, **own, API_PORT=str(port), PYTHONDONTWRITEBYTECODE="1")
        chalice = [
            str(Path(sys.executable).with_name("chalice")),
            "--project-dir",
            str(project),
            "local",
            "--stage",
            "dev",
        ]
        options = ["--no-autoreload", "--host", "127.0.0.1", "--port", str(port)]
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a child would inherit that and never stop
            signal.signal(signal.SIGINT, signal.default_int_handler)
        with (folder / "stdout.txt").open("wb") as out, (folder / "stderr.txt").open("wb") as err:
            process = subprocess.Popen(
                [*chalice, *options], cwd=folder, env=known, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        return Served(folder, known, process, f"http://127.0.0.1:{port}")

    def _wait(self, served: Served) -> None:
        def ready() -> bool:
            assert served.process.poll() is None, f"it ended: {served.logged()}"
            try:
                with closing(socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])))):
                    pass
            except ConnectionRefusedError:
                return False
            return (
                self._client.get(
                    f"{served.url}/ready", headers={"Authorization": f"Bearer {ADMIN}"}
                ).status_code
                == 200
            )

        self.until(ready, "/ready is 200")


def _free_port() -> int:
    """Return a port that nobody listens on now; between here and the start another may take it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as found:
        return int(found.getsockname()[1])


LOCAL = {target.name: target for target in (Container, Postgres, ChaliceLocal)}
