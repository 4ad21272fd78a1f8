"""Deploy the functions, their roles, rules and the API: `chalice deploy` on the clean copy, in a subprocess.

The subprocess gets no setting and no secret. Before it runs, Chalice's records are rewritten from AWS
(`inventory`), so an interrupted deployment can be repeated. A deployment is due when the digest that
`functions` left on the functions differs from the digest of the checkout.
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

from . import functions, inventory, package, parameters, precompile, queues
from .cloud import AwsError, Cloud
from .names import HANDLERS, Names
from .plan import Act, Report, Step

SETTING = frozenset(
    f"{name}{end}" for one in SETTINGS for name in (one.name, *one.aliases) for end in ("", "_FILE")
)
LAST_LINES = 12
UPLOAD_SECONDS = 900  # a slow line needs long for the layer, which is one request


class Deployment:
    """One stage of one checkout."""

    def __init__(
        self, cloud: Cloud, names: Names, root: Path, variables: Mapping[str, str], secrets: frozenset[str]
    ) -> None:
        """Deploy with these variables; the variables named in `secrets` are kept from the subprocess."""
        self._cloud, self._names, self._root = cloud, names, root
        self._variables, self._secrets = dict(variables), secrets | SETTING

    def digest(self) -> str:
        """Return the digest of what would be deployed now."""
        return package.digest(self._root, self._config(), self._cloud)

    def step(self, *, again: bool, secrets_change: bool) -> Step:
        """Return the step that deploys, or a step that keeps everything if nothing differs."""
        there = inventory.functions(self._cloud, self._names)
        api = inventory.rest_api(self._cloud, self._names)
        what = f"functions, roles, rules and API ({len(HANDLERS)} functions)"
        if not there:
            return Step(Act.CREATE, what, "about a minute", self._deploy)
        ours = self.digest()
        differs = []
        fed = inventory.mapping(self._cloud, self._names)
        if len(there) < len(HANDLERS) or api is None or fed is None:
            differs.append("something is missing")
        if any(functions.digest_of(one) != ours for one in there.values()):
            differs.append("code or settings changed")
        if secrets_change and not differs:
            differs.append("secrets changed")
        if again:
            differs.append("asked for")
        return Step(Act.CHANGE, what, ", ".join(differs), self._deploy) if differs else Step(Act.KEEP, what)

    def _config(self) -> dict[str, object]:
        known = parameters.revision(parameters.stored(self._cloud, self._names))
        more = {
            "SECRETS_REVISION": known,
            "SAURON_SQS_QUEUE_URL": queues.url(self._cloud, self._names.queue) or "",
        }
        return package.config(self._root, self._names.stage, self._variables | more)

    def _deploy(self, report: Report) -> None:
        config = self._config()
        folder = package.copy(self._root, self._names.stage, config, self._cloud)
        inventory.note(self._cloud, self._names, self._root)
        queue = {"SAURON_SQS_QUEUE_URL": queues.url(self._cloud, self._names.queue) or ""}
        # `deploy` uploads the zips that `package` built, so compiled Python is added to them in between.
        with tempfile.TemporaryDirectory() as template:
            chalice(
                folder, ("package", template), self._cloud, self._names, report, hidden=self._secrets, **queue
            )
        for zipped in (folder / ".chalice/deployments").glob("*.zip"):
            if added := precompile.add(zipped):
                report(f"Compiled {added} modules in {zipped.name}")
            report(f"{zipped.name} has {zipped.stat().st_size / 1e6:.1f} MB to upload")
        slow = ("deploy", "--connection-timeout", str(UPLOAD_SECONDS))
        chalice(folder, slow, self._cloud, self._names, report, hidden=self._secrets, **queue)


def removal(cloud: Cloud, names: Names, root: Path) -> list[Step]:
    """Return the step that removes what was deployed."""
    there = inventory.resources(cloud, names)
    if not there:
        return []
    hidden = SETTING | parameters.stored(cloud, names).keys()

    def do(report: Report) -> None:
        folder = package.copy(root, names.stage, package.config(root, names.stage, {}), cloud)
        inventory.note(cloud, names, root)
        chalice(folder, ("delete",), cloud, names, report, hidden=hidden)

    kinds = [one["resource_type"] for one in there]
    counts = {kind.replace("_", " "): kinds.count(kind) for kind in kinds}
    counted = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items())
    return [Step(Act.REMOVE, "functions, roles, rules and API", counted, do)]


def chalice(
    folder: Path,
    act: Sequence[str],
    cloud: Cloud,
    names: Names,
    report: Report,
    *,
    hidden: frozenset[str],
    **more: str,
) -> None:
    """Run one Chalice command and report its output. Raises AwsError with the last lines if it fails."""
    left_out = hidden | {"PYTHONPATH", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"}
    environ = {name: value for name, value in os.environ.items() if name not in left_out}
    environ |= cloud.environ() | {
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
                report(line.rstrip())
    if process.returncode:
        raise AwsError(
            f"{act[0]} by chalice",
            "\n".join(line for line in last if line) + "\nNothing was lost: run the same again.",
        )
