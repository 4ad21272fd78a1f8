"""What AWS Lambda cannot run, said job by job with what to write instead.

Lambda ends a function after 15 minutes, installs nothing and has few programs: a bundle runs there on the
packages of Sauron's own zip. So a job fits if it is short enough, its bundle asks for nothing else, and its
command is Python's or the bundle's own.

Versions are compared as PEP 440 orders releases and post releases. Limits: a rule that is not understood
counts as not met, and a requirement with an environment marker that is not understood as asked for.
"""

from __future__ import annotations

import importlib.metadata
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from chalicelib.model.jobs import JobSpec

CONTAINER, AWS = "container", "aws"
LONGEST = timedelta(minutes=14)  # of Lambda's 15; the rest is for starting, ending and recording
PYTHONS = frozenset({"python", "python3"})
# AWS puts them beside the zip, in versions of its own
OF_THE_RUNTIME = ("boto3", "botocore", "jmespath", "s3transfer")
ELSE = "or run this bundle in the container"

_ASKED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^\]]*\])?\s*\(?(?P<rules>[^;()@]*)\)?\s*(;\s*(?P<marker>.*))?"
)
_RULE = re.compile(r"(===|==|~=|!=|<=|>=|<|>)\s*([^\s,]+)")
_MARKER = re.compile(
    r"(python_version|sys_platform|platform_system)\s*(==|!=|<=|>=|<|>)\s*['\"]([^'\"]*)['\"]"
)
_FACTS = {"python_version": "3.11", "sys_platform": "linux", "platform_system": "Linux"}
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)(?:\.post(\d+))?")
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


def refusals(spec: JobSpec, *, unmet: Sequence[str], in_bundle: Callable[[str], bool]) -> list[str]:
    """Return why AWS Lambda cannot run a job, each reason with what to write instead; empty if it can.

    `unmet` is what `unmet()` says of the job's bundle; `in_bundle` answers whether a path is a file of it.
    """
    found = list(unmet)
    if spec.timeout > LONGEST:
        found.append(
            f"timeout_seconds is {spec.timeout.total_seconds():g}, and AWS Lambda ends every function after 15 minutes: "
            f"lower timeout_seconds to {LONGEST.total_seconds():g}, {ELSE}."
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
    """Return the question whether a path, as a command names it, is a file of the bundle in `folder`."""
    whole = folder.resolve()

    def holds(program: str) -> bool:
        file = (whole / program).resolve()
        return file.is_relative_to(whole) and file.is_file()

    return holds


def unmet(wanted: Iterable[tuple[str, str]], here: Mapping[str, str | None]) -> list[str]:
    """Say which requirements, given as (place, text), are not met by the packages `here`: their versions by normal name.

    None stands for a version that is not known; any rule about it counts as met.
    """
    return [words for place, text in wanted if (words := _unmet(place, text, here))]


def installed() -> dict[str, str | None]:
    """Return the packages that this interpreter finds: on Lambda, those of the zip and of the runtime."""
    return {_normal(one.name): one.version for one in importlib.metadata.distributions() if one.name}


def shipped() -> dict[str, str | None]:
    """Return the packages of the Lambda zip, found from a Sauron installed elsewhere: the same versions are pinned for both."""
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
    """Return what an installed package, with one extra of it or none, needs: names and the extras asked for."""
    for line in importlib.metadata.requires(name) or ():
        found = _ASKED.fullmatch(line.strip())
        if found is None or not _applies(marker := found["marker"] or ""):
            continue
        for_extra = _EXTRA.search(marker)
        if for_extra and _normal(for_extra[1]) != extra:
            continue
        needed = _normal(found["name"])
        try:
            importlib.metadata.version(needed)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform
        yield needed, ""
        extras = re.search(r"\[([^\]]*)\]", line.partition(";")[0])
        yield from ((needed, _normal(one.strip())) for one in (extras[1].split(",") if extras else ()))


def _unmet(place: str, text: str, here: Mapping[str, str | None]) -> str | None:
    asked = re.split(r"\s--", text, maxsplit=1)[0].strip()
    found = _ASKED.fullmatch(asked)
    if found is None:
        return f"{place} asks for {asked!r}, which nothing installs on AWS Lambda: put the code into the bundle, {ELSE}."
    if not _applies(found["marker"] or ""):
        return None
    name = _normal(found["name"])
    if name not in here:
        return f"{place} asks for {found['name']}, which the Lambda package does not hold: do without it, {ELSE}."
    version = here[name]
    rules = [rule.strip() for rule in found["rules"].split(",") if rule.strip()]
    if version is None or all(_meets(version, rule) for rule in rules):
        return None
    rule = ",".join(rules)
    return f"{place} asks for {found['name']}{rule}, and the Lambda package holds {version}: allow that version, {ELSE}."


def _meets(version: str, rule: str) -> bool:
    found = _RULE.fullmatch(rule)
    if found is None:
        return False
    order, wanted = found[1], found[2]
    if wanted == version:
        return order in ("==", "===", "~=", ">=", "<=")
    if wanted.endswith(".*"):
        same = f"{version}.".startswith(wanted.removesuffix("*"))
        return same if order == "==" else order == "!=" and not same
    ours, theirs = _release(version), _release(wanted)
    if ours is None or theirs is None or order == "===":
        return order == "!="
    if order == "~=":
        family = wanted.rpartition(".")[0]
        return bool(family) and ours >= theirs and f"{version}.".startswith(f"{family}.")
    return _ORDERS[order](ours, theirs)


def _release(version: str) -> tuple[tuple[int, ...], int] | None:
    found = _RELEASE.fullmatch(version)
    if found is None:
        return None
    numbers = [int(number) for number in found[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers), int(found[2] or -1)


def _applies(marker: str) -> bool:
    """Return whether a marker of one comparison is true on Lambda; any other counts as true."""
    found = _MARKER.fullmatch(marker.strip())
    if found is None:
        return True
    fact, order, value = _FACTS[found[1]], found[2], found[3]
    if found[1] == "python_version":
        return _meets(fact, f"{order}{value}")
    return _ORDERS[order](fact, value)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
