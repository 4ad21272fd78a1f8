"""Secrets as encrypted SSM parameters below the stage's path, in folders by the functions that read them.

Only changed values are written, and only names are ever shown. A function reads the parameters when it
starts; `revision` changes whenever a parameter was written, so that the functions are restarted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from .cloud import Cloud, ignore_missing
from .names import PUBLIC_URL, Names
from .plan import Act, Report, Step, step_for

AT_ONCE = 10  # SSM's limit for one deletion


@dataclass(frozen=True, slots=True)
class Parameter:
    """What AWS has of one variable. `elsewhere` are paths at which it does not belong.

    Version 0: it is only there, and `value` is from there.
    """

    value: str = field(repr=False)
    version: int
    elsewhere: tuple[str, ...] = ()


def stored(cloud: Cloud, names: Names) -> dict[str, Parameter]:
    """Return the parameters of the stage, keyed by the variable that each one sets."""
    pages = cloud.client("ssm").get_paginator("get_parameters_by_path")
    found: dict[str, Parameter] = {}
    for page in pages.paginate(Path=names.parameters, Recursive=True, WithDecryption=True):
        for one in page["Parameters"]:
            path, value = one["Name"], one["Value"]
            name = path.rpartition("/")[2]
            known = found.get(name, Parameter(value, 0))
            if path == names.parameter(name):
                found[name] = replace(known, value=value, version=one["Version"])
            else:
                found[name] = replace(known, elsewhere=(*known.elsewhere, path))
    return found


def steps(
    cloud: Cloud,
    names: Names,
    desired: Mapping[str, str],
    has: Mapping[str, Parameter],
    forget: Collection[str],
) -> list[Step]:
    """Return the steps that store these secrets. Other parameters stay, except those named in `forget`."""
    made = [step(cloud, names, name, value, has) for name, value in sorted(desired.items())]
    for name in sorted(has.keys() - desired.keys() - {PUBLIC_URL}):
        if name in forget:
            do = _removing(cloud, _paths(names, {name: has[name]}))
            made.append(Step(Act.REMOVE, f"secret {name}", do=do))
        elif has[name].elsewhere:
            made.append(step(cloud, names, name, has[name].value, has))
        else:
            made.append(Step(Act.KEEP, f"secret {name}", f"not set here; --forget {name} removes it"))
    return made


def step(cloud: Cloud, names: Names, name: str, value: str, has: Mapping[str, Parameter]) -> Step:
    """Return the step that stores one value in one parameter, and in no other of that name."""
    known = has.get(name)
    elsewhere = list(known.elsewhere) if known else []

    def do(report: Report) -> None:
        put(cloud, names, name, value)
        _removing(cloud, elsewhere)(report)

    differs = ["another value"] if known and known.value != value else []
    if elsewhere:
        differs.append(f"{' and '.join(elsewhere)} moves to {names.parameter(name)}")
    return step_for(f"secret {name}", exists=known is not None, differs=differs, do=do)


def put(cloud: Cloud, names: Names, name: str, value: str) -> None:
    """Write one parameter. Above 4 KiB AWS makes it an advanced parameter, which costs money."""
    cloud.client("ssm").put_parameter(
        Name=names.parameter(name),
        Value=value,
        Type="SecureString",
        Overwrite=True,
        Tier="Intelligent-Tiering",
    )


def removal(cloud: Cloud, names: Names) -> list[Step]:
    """Return the step that removes every parameter of the stage."""
    if not (found := stored(cloud, names)):
        return []
    do = _removing(cloud, _paths(names, found))
    return [Step(Act.REMOVE, f"secrets {', '.join(sorted(found))}", do=do)]


def revision(has: Mapping[str, Parameter]) -> str:
    """Return a text that changes with every parameter written or removed, and reveals no value."""
    versions = " ".join(f"{name}:{has[name].version}" for name in sorted(has) if name != PUBLIC_URL)
    return hashlib.sha256(versions.encode()).hexdigest()[:12]


def _paths(names: Names, has: Mapping[str, Parameter]) -> list[str]:
    return [path for name, one in has.items() for path in (names.parameter(name), *one.elsewhere)]


class _removing:  # noqa: N801 - used like a function
    """Removes parameters, as many per call as SSM accepts."""

    def __init__(self, cloud: Cloud, paths: list[str]) -> None:
        self._cloud, self._paths = cloud, paths

    def __call__(self, _report: Report) -> None:
        for start in range(0, len(self._paths), AT_ONCE):
            with ignore_missing():
                self._cloud.client("ssm").delete_parameters(Names=self._paths[start : start + AT_ONCE])
