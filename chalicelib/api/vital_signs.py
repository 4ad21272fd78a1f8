"""How a runner's ticks, claims and writes are doing, in sentences and as JSON.

A process without threads of its own (Lambda, the command line) measures none of them: it has no faults here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.text import taken
from chalicelib.wakeup.vitals import Sign, Vitals

READY = "ready"


def parts(vitals: Vitals) -> dict[str, str]:
    """Return for each part of a runner that it is ready, or why it is not."""
    signs = vitals.signs()
    clock = READY if vitals.clock_alive() else _fault("tick", signs["tick"]) or "its thread has ended"
    workers = _fault("claim", signs["claim"], silence=False)
    if workers is None and not vitals.workers_alive():
        workers = "stopped: the queue is not looked at"
    return {"store": _fault("write", signs["write"]) or READY, "clock": clock, "workers": workers or READY}


def degraded(vitals: Vitals | None) -> list[str]:
    """Return what does not work, in sentences. One reason is told once."""
    found: list[str] = []
    told: set[str] = set()
    signs: Mapping[str, Sign] = vitals.signs() if vitals else {}
    for name in ("write", "claim", "tick"):
        sign = signs.get(name)
        fault = sign and _fault(name, sign, silence=name != "claim")
        if sign is None or not fault or (sign.failure and sign.failure.reason in told):
            continue
        if sign.failure:
            told.add(sign.failure.reason)
        found.append(f"{fault[0].upper()}{fault[1:].rstrip('.')}.")
    return found


def as_json(vitals: Vitals | None) -> dict[str, Any] | None:
    """Return when tick, claim and write last worked and what failed since; None without threads."""
    return {name: _sign(sign) for name, sign in vitals.signs().items()} if vitals else None


def _fault(name: str, sign: Sign, *, silence: bool = True) -> str | None:
    """Return what is wrong with one kind of act; with `silence` also that none worked for long."""
    parts = []
    if silence and sign.silent:
        parts.append(f"no {name} has worked for {taken(sign.silent_seconds)}")
    if sign.failure:
        parts.append(f"the last {name} failed {taken(sign.failure.age_seconds)} ago: {sign.failure.reason}")
    return "; ".join(parts) or None


def _sign(sign: Sign) -> dict[str, Any]:
    failure = sign.failure
    return {
        "age_seconds": None if sign.age_seconds is None else round(sign.age_seconds, 1),
        "failed": failure and {"age_seconds": round(failure.age_seconds, 1), "reason": failure.reason},
    }
