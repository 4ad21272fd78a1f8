"""The functions, their roles, rules and the API: `chalice deploy` over the clean copy, in a process of its own.

That process gets no setting. Before it runs, its notes are written anew from AWS (`found`), so a deployment
that was cut off is simply repeated. Whether there is anything to deploy is told by the digest that
`functions` leaves on every function afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from chalicelib.settings import SETTINGS

from . import functions, inventory, parameters, precompile, queues
from . import package as source
from .cloud import AwsError, Cloud
from .names import HANDLERS, Names
from .plan import Act, Step, Tell

SETTING = frozenset(
    f"{name}{end}" for one in SETTINGS for name in (one.name, *one.aliases) for end in ("", "_FILE")
)
LAST_LINES = 12


class Deployment:
    """One stage of one checkout."""

    def __init__(
        self, cloud: Cloud, names: Names, root: Path, variables: Mapping[str, str], secrets: frozenset[str]
    ) -> None:
        """Deploy with these variables; `secrets` are the names that no other process may see."""
        self._cloud, self._names, self._root = cloud, names, root
        self._variables, self._secrets = dict(variables), secrets | SETTING

    def digest(self) -> str:
        """Return the digest of what would be shipped now."""
        return source.digest(self._root, self._config(), self._cloud)

    def step(self, *, again: bool, secrets_change: bool) -> Step:
        """Return the step that deploys, unless everything is there and as it would be shipped."""
        there = inventory.functions(self._cloud, self._names)
        api = inventory.rest_api(self._cloud, self._names)
        what = f"functions, roles, rules and API ({len(HANDLERS)} functions)"
        if not there:
            return Step(Act.CREATE, what, "about a minute", self._deploy)
        ours = self.digest()
        differs = []
        if len(there) < len(HANDLERS) or api is None:
            differs.append("something is missing")
        if any(functions.digest_of(one) != ours for one in there.values()):
            differs.append("code or settings changed")
        if secrets_change and not differs:
            differs.append("secrets changed")
        if again:
            differs.append("asked for")
        return Step(Act.CHANGE, what, ", ".join(differs), self._deploy) if differs else Step(Act.KEEP, what)

    def _config(self) -> dict[str, object]:
        known = parameters.revision(parameters.held(self._cloud, self._names))
        more = {
            "SECRETS_REVISION": known,
            "SAURON_SQS_QUEUE_URL": queues.url(self._cloud, self._names.queue) or "",
        }
        return source.config(self._root, self._names.stage, self._variables | more)

    def _deploy(self, tell: Tell) -> None:
        config = self._config()
        folder = source.copy(self._root, self._names.stage, config, self._cloud)
        inventory.note(self._cloud, self._names, self._root)
        queue = {"SAURON_SQS_QUEUE_URL": queues.url(self._cloud, self._names.queue) or ""}
        # Chalice uploads the packages that it finds made, so what it leaves out is added between.
        with tempfile.TemporaryDirectory() as template:
            chalice(
                folder, ("package", template), self._cloud, self._names, tell, hidden=self._secrets, **queue
            )
        for package in (folder / ".chalice/deployments").glob("*.zip"):
            if added := precompile.add(package):
                tell(f"Compiled {added} modules in {package.name}")
        chalice(folder, ("deploy",), self._cloud, self._names, tell, hidden=self._secrets, **queue)


def removal(cloud: Cloud, names: Names, root: Path) -> list[Step]:
    """Return the step that removes what was deployed."""
    there = inventory.resources(cloud, names)
    if not there:
        return []
    hidden = SETTING | parameters.held(cloud, names).keys()

    def do(tell: Tell) -> None:
        folder = source.copy(root, names.stage, source.config(root, names.stage, {}), cloud)
        inventory.note(cloud, names, root)
        chalice(folder, ("delete",), cloud, names, tell, hidden=hidden)

    kinds = [one["resource_type"] for one in there]
    counts = {kind.replace("_", " "): kinds.count(kind) for kind in kinds}
    counted = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items())
    return [Step(Act.REMOVE, "functions, roles, rules and API", counted, do)]


def chalice(
    folder: Path,
    act: Sequence[str],
    cloud: Cloud,
    names: Names,
    tell: Tell,
    *,
    hidden: frozenset[str],
    **more: str,
) -> None:
    """Run one command of Chalice and pass on what it says. Raises AwsError with the end of that when it fails."""
    environ = {
        name: value for name, value in os.environ.items() if name not in hidden and name != "PYTHONPATH"
    }
    environ |= {
        "AWS_DEFAULT_REGION": cloud.region,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **more,
    }
    argv = [
        sys.executable,
        "-P",
        precompile.__file__,
        "chalice",
        "--project-dir",
        str(folder),
        act[0],
        "--stage",
        names.stage,
        *act[1:],
    ]
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        argv,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None  # noqa: S101 - narrows the type
        for line in process.stdout:
            last.append(line.rstrip())
            if line.strip():
                tell(line.rstrip())
    if process.returncode:
        raise AwsError(
            f"{act[0]} by chalice",
            "\n".join(line for line in last if line) + "\nNothing was lost: run the same again.",
        )
