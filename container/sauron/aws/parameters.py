"""Secrets as encrypted SSM parameters below the stage's path: only what changed is written, and only names are ever shown.

A function reads them at its start. `revision` changes whenever one was written, so that the functions are
started anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from .cloud import Cloud, unless_gone
from .names import PUBLIC_URL, Names
from .plan import Act, Step, Tell, judged

AT_ONCE = 10  # SSM's limit for one deletion


@dataclass(frozen=True, slots=True)
class Held:
    """One parameter as it stands."""

    value: str = field(repr=False)
    version: int


def held(cloud: Cloud, names: Names) -> dict[str, Held]:
    """Return the parameters that the stage has, by the variable each stands for."""
    pages = cloud.client("ssm").get_paginator("get_parameters_by_path")
    return {
        one["Name"].rpartition("/")[2]: Held(one["Value"], one["Version"])
        for page in pages.paginate(Path=names.parameters, Recursive=False, WithDecryption=True)
        for one in page["Parameters"]
    }


def steps(
    cloud: Cloud, names: Names, wanted: Mapping[str, str], has: Mapping[str, Held], forget: Collection[str]
) -> list[Step]:
    """Return the steps that make AWS hold these secrets. What AWS has beyond them stays, unless it is to be forgotten."""
    made = [step(cloud, names, name, value, has) for name, value in sorted(wanted.items())]
    for name in sorted(has.keys() - wanted.keys() - {PUBLIC_URL}):
        if name in forget:
            do = _removing(cloud, names, [name])
            made.append(Step(Act.REMOVE, f"secret {name}", do=do))
        else:
            made.append(Step(Act.KEEP, f"secret {name}", f"not set here; --forget {name} removes it"))
    return made


def step(cloud: Cloud, names: Names, name: str, value: str, has: Mapping[str, Held]) -> Step:
    """Return the step that makes one parameter hold one value."""

    def do(_tell: Tell) -> None:
        put(cloud, names, name, value)

    known = has.get(name)
    differs = ["another value"] if known and known.value != value else []
    return judged(f"secret {name}", exists=known is not None, differs=differs, do=do)


def put(cloud: Cloud, names: Names, name: str, value: str) -> None:
    """Write one parameter. More than 4 KiB makes it one of the kind that costs money."""
    cloud.client("ssm").put_parameter(
        Name=f"{names.parameters}/{name}",
        Value=value,
        Type="SecureString",
        Overwrite=True,
        Tier="Intelligent-Tiering",
    )


def removal(cloud: Cloud, names: Names) -> list[Step]:
    """Return the step that removes every parameter of the stage."""
    if not (found := sorted(held(cloud, names))):
        return []
    return [Step(Act.REMOVE, f"secrets {', '.join(found)}", do=_removing(cloud, names, found))]


def revision(has: Mapping[str, Held]) -> str:
    """Return a text that changes with every secret that is written or removed, and tells nothing of their values."""
    versions = " ".join(f"{name}:{has[name].version}" for name in sorted(has) if name != PUBLIC_URL)
    return hashlib.sha256(versions.encode()).hexdigest()[:12]


class _removing:  # noqa: N801 - used like a function
    """Removes parameters, as many at once as SSM takes."""

    def __init__(self, cloud: Cloud, names: Names, which: list[str]) -> None:
        self._cloud, self._names, self._which = cloud, names, which

    def __call__(self, _tell: Tell) -> None:
        paths = [f"{self._names.parameters}/{name}" for name in self._which]
        for start in range(0, len(paths), AT_ONCE):
            with unless_gone():
                self._cloud.client("ssm").delete_parameters(Names=paths[start : start + AT_ONCE])
