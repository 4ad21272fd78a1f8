"""The table of checks, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import access, machine, repository, state, telling
from .facts import Facts
from .finding import Finding, well, wrong

SETTINGS = "settings"
CHECKS: tuple[tuple[str, Callable[[Facts, str], Finding | None]], ...] = (
    ("state folder", state.folder),
    ("store", state.store),
    ("sqlite version", state.sqlite),
    ("disk", state.disk),
    ("clock", machine.clock),
    ("zone data", machine.zones),
    ("memory limit", machine.memory),
    ("stop grace", machine.stop_grace),
    ("open api", access.open_api),
    ("token scopes", access.token_scopes),
    ("public url", access.public_url),
    ("proxy", access.proxy),
    ("git address", repository.address),
    ("token user", repository.token_user),
    ("branch", repository.branch),
    ("bundle folder", repository.folder),
    ("host keys", repository.host_keys),
    ("missing secrets", repository.missing_secrets),
    ("alert channel", telling.channel),
    ("sender", telling.sender),
    ("dead-man's switch", telling.dead_mans_switch),
)


def examine(facts: Facts) -> list[Finding]:
    """Return what each check found. A check that the facts say nothing about is left out."""
    found = [wrong(SETTINGS, *_found_and_cure(fault)) for fault in facts.faults]
    if not facts.faults:
        found.append(well(SETTINGS, "all can be read"))
    return found + [one for name, check in CHECKS if (one := check(facts, name)) is not None]


def _found_and_cure(fault: str) -> tuple[str, str]:
    """Return the halves of a fault of a setting: `NAME: cure`, or `what is wrong; cure`."""
    name, _, cure = fault.partition(": ")
    if cure:
        return f"{name} cannot be used", cure
    said, _, cure = fault.partition("; ")
    return said, cure or said


def findings_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return findings as JSON."""
    return [{"check": one.check, "ok": one.ok, "found": one.found, "fix": one.fix} for one in findings]
