"""The packaged Lambda zip as a parity target: functions, a queue, parameters, PostgreSQL, on one machine.

Settings that are secrets, and what looks like one, are SSM parameters; the rest are the functions' variables.
The rules of the clock fire each minute, as EventBridge does, and at once when the suite asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import httpx

from chalicelib.bundle.job_environment import LIKELY, OWN, SECRET_NAMES
from tests import aws_server
from tests.conftest import Databases
from tests.e2e.outside import wait_for
from tests.lambda_zip import package
from tests.parity.lambda_cloud import Cloud
from tests.parity.target import Target


class LambdaTarget(Target):
    """One stage, deployed."""

    name: ClassVar[str] = "lambda"
    patience: ClassVar[float] = 40.0  # each environment starts cold once

    def __init__(self, home: Path, databases: Databases) -> None:
        """Package, and bring up what keeps its state while Sauron is down."""
        super().__init__(home, databases)
        home.mkdir(parents=True, exist_ok=True)
        self._package = package()
        self._aws = aws_server.start()
        self._url = databases.make(migrated=False)
        self._cloud = Cloud(self._aws, self._package, home)

    @property
    def cloud(self) -> Cloud:
        """The stage, for what only Lambda has."""
        return self._cloud

    def start(self, **environ: str) -> None:
        self.environ = environ
        given = {"JOB_QUEUE_DB_URL": self._url, **environ}
        secrets = {
            name: value
            for name, value in given.items()
            if name in SECRET_NAMES | OWN - {"JOBS_GIT_REPO_URL"} or LIKELY.search(name)
        }
        self._cloud.start({name: value for name, value in given.items() if name not in secrets}, secrets)
        self.tick_now()
        wait_for(self._ready, what="/ready is 200 (lambda)", seconds=self.patience)

    def _ready(self) -> bool:
        return (
            httpx.get(
                f"{self._cloud.url}/ready", headers=self._authorization, timeout=40, trust_env=False
            ).status_code
            == 200
        )

    @property
    def _authorization(self) -> dict[str, str]:
        from tests.parity.target import ADMIN

        return {"Authorization": f"Bearer {ADMIN}"}

    def stop(self) -> None:
        self._cloud.stop()

    def kill(self) -> None:
        self._cloud.stop()

    def close(self) -> None:
        self._client.close()
        self._cloud.close()
        self._aws.close()

    def tick_now(self) -> None:
        self._cloud.fire_all()

    @property
    def urls(self) -> Sequence[str]:
        return [self._cloud.url]

    @property
    def store_url(self) -> str:
        return self._url

    @property
    def written(self) -> str:
        return "".join(
            file.read_text(encoding="utf-8", errors="replace") for file in sorted(self.home.glob("*.log"))
        )
