"""Set what Chalice cannot: the size of /tmp, and the digest of the deployment.

The digest is part of every function's description and is written last, so an interrupted deployment is
recognised. Writing it also restarts the functions, which then read the current secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from chalicelib import __version__

from . import inventory
from .cloud import Cloud
from .names import HANDLERS, WORK, Names
from .plan import Act, Report, Step

TMP_MB = {"sync": 2048, WORK: 2048}  # revisions, environments and what jobs write
TMP_DEFAULT_MB = 512


def digest_of(configuration: dict[str, Any]) -> str | None:
    """Return the digest in a function's description, None if it has none."""
    match = re.search(r"source ([0-9a-f]{12})", configuration.get("Description") or "")
    return match[1] if match else None


def step(cloud: Cloud, names: Names, digest: Callable[[], str], *, deploys: bool) -> Step:
    """Return the step that sets /tmp and description of every function after a deployment."""
    what = "functions' /tmp size and description"
    there = inventory.functions(cloud, names)
    wrong = [names.function(handler) for handler, one in there.items() if _tmp(one) != tmp_megabytes(handler)]

    def do(_report: Report) -> None:
        now = f"Sauron {__version__}, stage {names.stage}, source {digest()}"
        for handler in HANDLERS:
            _finish(cloud, names.function(handler), now, tmp_megabytes(handler))

    if deploys:
        return Step(Act.CHANGE if there else Act.CREATE, what, "after the deployment", do)
    return (
        Step(Act.CHANGE, what, f"{', '.join(wrong)} has another size", do) if wrong else Step(Act.KEEP, what)
    )


def _finish(cloud: Cloud, function: str, description: str, megabytes: int) -> None:
    client = cloud.client("lambda")
    client.get_waiter("function_updated_v2").wait(FunctionName=function)
    client.update_function_configuration(
        FunctionName=function, Description=description, EphemeralStorage={"Size": megabytes}
    )
    client.get_waiter("function_updated_v2").wait(FunctionName=function)


def _tmp(configuration: dict[str, Any]) -> int:
    size: int = configuration.get("EphemeralStorage", {}).get("Size", TMP_DEFAULT_MB)
    return size


def tmp_megabytes(handler: str) -> int:
    """Return how large /tmp of a handler's function is."""
    return TMP_MB.get(handler, TMP_DEFAULT_MB)
