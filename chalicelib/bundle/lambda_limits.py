"""The limits of AWS Lambda: why a job cannot run there, with what to write instead.

Lambda ends a function after 15 minutes, installs nothing and has few programs. A bundle runs there with the
packages of Sauron's own zip. So a job fits if it is short enough, its bundle requires no other package, and
its command is Python or a file of the bundle. Versions and markers are read as PEP 440 and PEP 508 define
them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from chalicelib.model.jobs import JobSpec

AWS = "aws"  # the name of this target in `sauron check --target`
LONGEST = timedelta(minutes=14)  # of Lambda's 15; the rest is for starting, ending and recording
PYTHONS = frozenset({"python", "python3"})
# AWS puts them beside the zip, in versions of its own
OF_THE_RUNTIME = ("boto3", "botocore", "jmespath", "s3transfer")
ELSE = "or run this bundle in the container"
_LAMBDA = {
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_system": "Linux",
    "python_version": "{}.{}".format(*sys.version_info),  # Lambda gets the Python that deploys
    "sys_platform": "linux",
}
"""The markers of PEP 508 as AWS Lambda has them; the others are those of this interpreter."""


def refusals(spec: JobSpec, *, unmet: Sequence[str], in_bundle: Callable[[str], bool]) -> list[str]:
    """Return why AWS Lambda cannot run a job, each reason with what to write instead; empty if it can.

    `unmet` is what `unmet()` returns for the job's bundle; `in_bundle` returns whether a path is a file of
    it.
    """
    found = list(unmet)
    if spec.timeout > LONGEST:
        found.append(
            f"timeout_seconds is {spec.timeout.total_seconds():g}, and AWS Lambda ends every function after "
            f"15 minutes: lower timeout_seconds to {LONGEST.total_seconds():g}, {ELSE}."
        )
    command = spec.record.get("command")
    program = str(command[0]) if command else None
    if program and program not in PYTHONS and not ("/" in program and in_bundle(program)):
        found.append(
            f"command needs the program {program}, which AWS Lambda does not have: write it in Python, "
            f"put it into the bundle and name its path, {ELSE}."
        )
    return found


def is_file_of(folder: Path) -> Callable[[str], bool]:
    """Return a function that says whether the first word of a command is a file of the bundle in `folder`."""
    whole = folder.resolve()

    def holds(program: str) -> bool:
        file = (whole / program).resolve()
        return file.is_relative_to(whole) and file.is_file()

    return holds


def unmet(wanted: Iterable[tuple[str, str]], here: Mapping[str, str | None]) -> list[str]:
    """Return a sentence for each requirement, given as (place, text), that the packages `here` do not meet.

    `here` holds versions by normalised name; None is an unknown version, which meets every rule.
    """
    return [words for place, text in wanted if (words := _unmet(place, text, here))]


def installed() -> dict[str, str | None]:
    """Return the packages that this interpreter finds.

    On Lambda these are those of the zip and of the runtime.
    """
    return {
        str(canonicalize_name(one.name)): one.version
        for one in importlib.metadata.distributions()
        if one.name
    }


def shipped() -> dict[str, str | None]:
    """Return the packages of the Lambda zip, as a Sauron that is installed elsewhere knows them.

    The same versions are pinned for both.
    """
    held: dict[str, str | None] = dict.fromkeys(OF_THE_RUNTIME)
    waiting = [("sauron", "")]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        for needed in _needs(name, extra):
            # packaged by itself, without what only its command line needs
            if needed not in seen and needed[0] != "chalice":
                seen.add(needed)
                waiting.append(needed)
    for name, _ in seen - {("sauron", "")}:
        held[name] = importlib.metadata.version(name)
    return held


def _needs(name: str, extra: str) -> Iterator[tuple[str, str]]:
    """Return what an installed package needs for an extra ("" for none): names with their extras."""
    for line in importlib.metadata.requires(name) or ():
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({**_LAMBDA, "extra": extra}):
            continue
        with contextlib.suppress(
            importlib.metadata.PackageNotFoundError
        ):  # for another platform than this one
            importlib.metadata.version(needed.name)
            yield from ((canonicalize_name(needed.name), one) for one in ("", *needed.extras))


def _unmet(place: str, text: str, here: Mapping[str, str | None]) -> str | None:
    asked = re.split(r"\s--", text, maxsplit=1)[0].strip()
    try:
        wanted = Requirement(asked)
    except InvalidRequirement:
        wanted = None
    if wanted is None or wanted.url:
        return (
            f"{place} asks for {asked!r}, which nothing installs on AWS Lambda: "
            f"put the code into the bundle, {ELSE}."
        )
    if wanted.marker is not None and not wanted.marker.evaluate({**_LAMBDA, "extra": ""}):
        return None
    name = canonicalize_name(wanted.name)
    if name not in here:
        return (
            f"{place} asks for {wanted.name}, which the Lambda package does not hold: do without it, {ELSE}."
        )
    version = here[name]
    if version is None or wanted.specifier.contains(version, prereleases=True):
        return None
    return (
        f"{place} asks for {wanted.name}{wanted.specifier}, and the Lambda package holds {version}: "
        f"allow that version, {ELSE}."
    )
