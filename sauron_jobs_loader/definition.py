"""The rules for each field of a job definition, and its form as JSON data.

Every fault names the field, shows the value, and says what to write. The checks are of type and range.
"""

from __future__ import annotations

import difflib
import inspect
import math
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sauron_jobs_loader import job_parameter, params
from sauron_jobs_loader.programs.shell_words import command_faults
from sauron_jobs_loader.text import storable

ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
SECRET_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
CHOICES = {
    "overlap": ("skip", "queue", "replace", "allow"),
    "catchup": ("none", "latest", "all"),
    "isolation": ("fork", "spawn"),
}
RANGES: dict[str, tuple[bool, float, float, str]] = {
    "timeout_seconds": (False, 0.001, 30 * 86400, "seconds above 0 and up to 30 days, such as 300"),
    "max_attempts": (True, 1, 1000, "a whole number from 1"),
    "jitter_minutes": (False, 0, 7 * 1440, "minutes from 0"),
    "catchup_window_seconds": (False, 0, 3650 * 86400, "seconds from 0, such as 86400"),
    "catchup_max": (True, 0, 1_000_000, "a whole number from 0"),
    "retry_backoff_seconds": (False, 0, 30 * 86400, "seconds from 0, such as 60"),
    "alert_after": (True, 1, 1_000_000, "a whole number from 1"),
    "priority": (True, -10, 10, "a whole number from -10 to 10; runs of a higher one start first"),
}
"""For each number field: whether it is whole, the least, the most, and what to write."""


LIMITS: dict[str, tuple[bool, float, float, str]] = {
    "memory_mb": (False, 1, 16_777_216, "megabytes from 1, such as 512, or None for no limit"),
    "max_processes": (True, 1, 1_000_000, "a whole number from 1, or None for no limit"),
    "slow_after_seconds": (False, 0.001, 30 * 86400, "seconds above 0 and up to 30 days, or None"),
}
"""The same for each number field that may be None."""
POOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

SHORTEST_PART, MOST_MEANT = 3, 3  # letters of a part of a name; names that are offered


def faults(values: Mapping[str, Any], given: Collection[str] = ()) -> list[str]:
    """Return the faults of the fields of one job; an empty list if it can be used.

    `given` are the names of the fields that its author wrote.
    """
    found = [*_id_faults(values), *_text_faults(values), *_number_faults(values)]
    found += _work_faults(values, given)
    for name, choices in CHOICES.items():
        if values[name] not in choices:
            found.append(f"{name} is {_shown(values[name])}: write one of {', '.join(map(repr, choices))}.")
    for name in ("enabled", "queue_mode"):
        found += (
            []
            if isinstance(values[name], bool)
            else [f"{name} is {_shown(values[name])}: write True or False."]
        )
    found += _tag_faults(values["tags"])
    found += _chain_faults(values)
    found += _pool_faults(values["pool"])
    found += _secret_faults(values["secrets"])
    found += params.declaration_faults(values["params"], shown=_shown)
    return found


def unknown_fields(surplus: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    """Return a fault for each name that is not a field of a job, with those that are meant by it."""
    found = []
    for name in surplus:
        meant = " or ".join(map(repr, _meant(name, known)))
        found.append(f"JobConfig has no field {name!r}." + (f" Did you mean {meant}?" if meant else ""))
    return found


def _meant(name: str, known: Mapping[str, Any]) -> list[str]:
    """Return the fields that a name is a part of, from their beginning if it can be; else the nearest."""
    parts = [one for one in known if name in one] if len(name) >= SHORTEST_PART else []
    first = [one for one in parts if one.startswith(name)]
    return (first or parts or difflib.get_close_matches(name, known, n=1))[:MOST_MEANT]


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return checked fields as JSON data."""
    record: dict[str, Any] = {}
    for name, value in values.items():
        record[name] = storable(value) if isinstance(value, str) else value
    record["command"] = None if values["command"] is None else list(values["command"])
    tags = values["tags"]
    record["cron"] = record["cron"] or ""
    after = values["after"]
    record["after"] = None if after is None else list(after)
    record["tags"] = [storable(tag) for tag in (sorted(tags) if isinstance(tags, set | frozenset) else tags)]
    record["description"] = storable(values["description"] or "")
    record["secrets"] = (
        None if values["secrets"] is None else [_plain_secret(secret) for secret in values["secrets"]]
    )
    record["params"] = params.plain(values["params"])
    return record


def entrypoint(func: Any, command: Sequence[str] | None) -> str:
    """Return the name of what a job runs: `jobs.report:run`, or `command: df -h`."""
    if command is not None:
        return "command: " + shlex.join(command)
    inner: Any = inspect.unwrap(getattr(func, "func", func))  # functools.partial keeps what it calls in .func
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return f"{getattr(inner, '__module__', '?')}:{name}"


def shown_id(job_id: object) -> str:
    """Return any value that was given as an id as short printable text."""
    text = job_id if isinstance(job_id, str) else _shown(job_id)
    return "".join(letter if letter.isprintable() else "?" for letter in storable(text))[:64] or "?"


def _id_faults(values: Mapping[str, Any]) -> list[str]:
    found = []
    rule = (
        "write 1 to 64 lower-case letters, digits, '_', '.' or '-', starting with a letter or digit, "
        "such as 'daily-report'."
    )
    job_id, former = values["id"], values["renamed_from"]
    if job_id is None:
        found.append(f"id is missing: {rule}")
    elif not (isinstance(job_id, str) and ID.fullmatch(job_id)):
        found.append(f"id is {_shown(job_id)}: {rule}")
    if former is not None and not (isinstance(former, str) and ID.fullmatch(former)):
        found.append(f"renamed_from is {_shown(former)}: write the former id of the job.")
    elif former is not None and former == job_id:
        found.append(
            f"renamed_from is {_shown(former)}, the present id of the job: write its former id, or remove it."
        )
    return found


def _text_faults(values: Mapping[str, Any]) -> list[str]:
    found = []
    for name, example in (("cron", "'0 8 * * *'"), ("timezone", "'Europe/Paris'")):
        if name == "cron" and values["after"] and values[name] in {None, ""}:
            continue  # a job that only follows others has no schedule of its own
        if values[name] is None or (name == "cron" and values[name] == ""):
            found.append(f"{name} is missing: write text such as {example}.")
        elif not isinstance(values[name], str):
            found.append(f"{name} is {_shown(values[name])}: write text such as {example}.")
    for name in ("project", "description"):
        right = values[name] is None or isinstance(values[name], str)
        found += [] if right else [f"{name} is {_shown(values[name])}: write text."]
    return found


def _number_faults(values: Mapping[str, Any]) -> list[str]:
    found = []
    given = {name: rule for name, rule in LIMITS.items() if values[name] is not None}
    for name, (whole, least, most, advice) in (RANGES | given).items():
        value = values[name]
        right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not (right and math.isfinite(value) and least <= value <= most):
            found.append(f"{name} is {_shown(value)}: write {advice}.")
    return found


def _work_faults(values: Mapping[str, Any], given: Collection[str]) -> list[str]:
    func, command = values["func"], values["command"]
    if func is None and command is None and "func" in given:
        advice = "write the function itself, without quotes and parentheses, such as func=run."
        return [f"func is None: {advice} func=run() calls it at once, and gives what it returns."]
    if (func is None) == (command is None):
        what = "neither func nor command is given" if func is None else "func and command are both given"
        return [f"{what}: write one of func=<function> and command=['program', 'argument']."]
    if command is not None:
        return command_faults(command, _shown(command))
    return _func_faults(func)


def _func_faults(func: Any) -> list[str]:
    if inspect.iscoroutine(func):
        return ["func is a coroutine: write func=run, not func=run()."]
    if not callable(func):
        return [
            (
                f"func is {_shown(func)}: write the function itself, without quotes and parentheses, "
                "such as func=run."
            )
        ]
    inner: Any = inspect.unwrap(getattr(func, "func", func))
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        return ["func has a yield, so a call of it runs nothing: write a function without yield."]
    try:
        job_parameter.takes_context(func)
    except ValueError as error:
        return [str(error)]
    return []


def _tag_faults(tags: Any) -> list[str]:
    if not isinstance(tags, list | tuple | set | frozenset) or not all(isinstance(tag, str) for tag in tags):
        return [f"tags is {_shown(tags)}: write a list of texts, such as ['backup']."]
    return []


def _chain_faults(values: Mapping[str, Any]) -> list[str]:
    after, found = values["after"], []
    if after is None:
        return []
    advice = "write a list of the ids of the jobs that this one follows, such as ['backup']."
    if not isinstance(after, list | tuple) or not after:
        return [f"after is {_shown(after)}: {advice}"]
    seen: set[str] = set()
    for parent in after:
        if not (isinstance(parent, str) and ID.fullmatch(parent)):
            found.append(f"after holds {_shown(parent)}: {advice}")
        elif parent == values["id"]:
            found.append(f"after holds {parent!r}, the job itself: a job cannot follow itself. Remove it.")
        elif parent in seen:
            found.append(f"after names {parent!r} twice: write it once.")
        seen.add(str(parent))
    return found


def _pool_faults(pool: Any) -> list[str]:
    if pool is None or (isinstance(pool, str) and POOL.fullmatch(pool)):
        return []
    return [
        f"pool is {_shown(pool)}: write a name of up to 64 letters, digits, '_', '.' or '-', such as 'db'."
    ]


def _secret_faults(secrets: Any) -> list[str]:
    advice = "write a list of names, such as ['API_TOKEN'], [], or None for the compatible environment."
    if secrets is None:
        return []
    if not isinstance(secrets, list | tuple):
        return [f"secrets is {_shown(secrets)}: {advice}"]
    found, names = [], set()
    for secret in secrets:
        name = secret.get("key") if isinstance(secret, Mapping) else secret
        if not (isinstance(name, str) and SECRET_NAME.fullmatch(name)):
            found.append(
                f"secrets holds {_shown(secret)}: write a name such as 'API_TOKEN', "
                "or a dict with it as 'key'."
            )
        elif name in names:
            found.append(f"secrets names {name!r} twice: write it once.")
        names.add(str(name))
    return found


def _plain_secret(secret: str | Mapping[str, Any]) -> dict[str, Any]:
    given: Mapping[str, Any] = secret if isinstance(secret, Mapping) else {"key": secret}
    return {
        "key": given["key"],
        "label": storable(str(given.get("label") or given["key"])),
        "description": storable(str(given.get("description") or "")),
        "required": bool(given.get("required", True)),
    }


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a repr is the bundle's code
        text = f"a {type(value).__name__}"
    return storable(text[:80] + ("..." if len(text) > 80 else ""))  # noqa: PLR2004 - one line of a report
