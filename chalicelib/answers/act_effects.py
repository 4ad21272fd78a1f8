"""What came of acts, as it stands now: how the run of a trigger ended, whether a switch is in force.

An act notes in its own transaction what it made or led to; the rest is read here, from what the store holds
now, in a few statements however many acts there are. Of acts that noted nothing, as refused ones, nothing is
said. What was made may be gone again: runs are deleted by their age and number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.clock import iso
from chalicelib.model.runs import RunState
from chalicelib.store import audit_log, bundle, history, registry
from chalicelib.store.audit_log import Entry
from chalicelib.store.bundle import BundleState
from chalicelib.store.database import Tx
from chalicelib.store.history import RunInBrief
from chalicelib.text import about, counted, taken

from .wording import first_line

SWITCHES = ("enable", "disable")
PAUSES = ("pause", "unpause")
SHORT = 7  # characters of a commit id that are shown


@dataclass(frozen=True, slots=True)
class ActEffect:
    """What came of one act, in words: `form` has a {} for each of `parts`.

    `mark` is how it stands, as the state of a run or as `off` or `well`; None: it is over, or was never in
    force. `run_id` or `revision` is what it made or brought.
    """

    form: str
    parts: tuple[str | datetime, ...] = ()
    mark: str | None = None
    run_id: str | None = None
    revision: str | None = None

    @property
    def text(self) -> str:
        """The words, with instants in UTC."""
        return self.form.format(*(iso(one) if isinstance(one, datetime) else one for one in self.parts))


Words = tuple[str, tuple[str, ...]]  # a form and its parts


def effects(tx: Tx, entries: Sequence[Entry], *, now: datetime) -> dict[int, ActEffect]:
    """Return what came of each of these acts, by its id; those of which nothing is known are left out."""
    noted = [one for one in entries if one.result]
    return {
        **_of_runs(tx, [one for one in noted if "run" in _result(one)], now),
        **_of_syncs(tx, [one for one in noted if {"revision", "pushed"} & _result(one).keys()]),
        **_of_switches(tx, [one for one in noted if one.act in SWITCHES], now),
        **_of_pauses(tx, [one for one in noted if one.act in PAUSES], now),
    }


def _result(entry: Entry) -> Mapping[str, Any]:
    return entry.result or {}


def _of_runs(tx: Tx, entries: Sequence[Entry], now: datetime) -> dict[int, ActEffect]:
    if not entries:
        return {}
    runs = history.in_brief(tx, [_result(one)["run"] for one in entries])
    return {one.id: _of_run(one, runs.get(_result(one)["run"]), now) for one in entries}


def _of_run(entry: Entry, run: RunInBrief | None, now: datetime) -> ActEffect:
    if run is None:
        return ActEffect("the run is not kept any more")
    form, parts = _cancelled(entry, run, now) if entry.act == "cancel" else _stands(run, now)
    if _result(entry).get("made_before"):
        form = f"an earlier request had made the run: {form}"
    return ActEffect(form, parts, run.state, run.id)


def _cancelled(entry: Entry, run: RunInBrief, now: datetime) -> Words:
    """Return what became of a run that somebody cancelled."""
    if run.state is RunState.RUNNING:
        return "it is being stopped", ()
    if run.finished_at is None:
        return _stands(run, now)
    later = taken(max(0.0, (run.finished_at - entry.at).total_seconds()))
    if run.state is not RunState.CANCELLED:
        return "{} {} later, before it was stopped", (_word(run), later)
    if _result(entry).get("was") == RunState.QUEUED:
        return "cancelled while it waited", ()
    return "cancelled {} later", (later,)


def _stands(run: RunInBrief, now: datetime) -> Words:
    """Return how a run stands, as the end of a sentence about it."""
    if run.state is RunState.QUEUED:
        waits = (run.due_at - now).total_seconds()
        if waits <= 0:
            return "waiting for {}", (about(-waits),)
        return "tries again in {}" if run.attempt else "begins in {}", (about(waits),)
    word, why = _ended(run)
    if run.started_at is None:
        return ("{}: {}", (word, why)) if why else ("{} before it began", (word,))
    took = taken(((run.finished_at or now) - run.started_at).total_seconds())
    tries = f", attempt {run.attempt}" if run.attempt > 1 else ""
    if run.state is RunState.RUNNING:
        return f"running for {{}}{tries}", (took,)
    if run.state is RunState.SUCCEEDED:
        return f"succeeded in {{}}{tries}", (took,)
    return f"{{}} after {{}}{tries}{': {}' if why else ''}", (word, took, *([why] if why else []))


def _ended(run: RunInBrief) -> tuple[str, str]:
    """Return how a run ended, and why if that says more."""
    if run.state in {RunState.SKIPPED, RunState.MISSED}:  # the run's own reason follows that of the decision
        return _word(run), first_line((run.reason or "").partition(";")[0])
    if run.state is RunState.CANCELLED:
        return first_line(run.cancel_reason) or _word(run), ""
    return _word(run), first_line(run.error)


def _word(run: RunInBrief) -> str:
    return run.state.replace("_", " ")


def _of_syncs(tx: Tx, entries: Sequence[Entry]) -> dict[int, ActEffect]:
    if not entries:
        return {}
    state = bundle.state(tx)
    pushed = {_result(one)["pushed"] for one in entries if "pushed" in _result(one)}
    known = bundle.known_revisions(tx, pushed)
    activated = {sha for sha, one in known.items() if one.activated_at is not None}
    return {one.id: _of_sync(_result(one), state, activated) for one in entries}


def _of_sync(result: Mapping[str, Any], state: BundleState, activated: set[str]) -> ActEffect:
    """Return how the revision stands that a sync brought, or that a push was to bring."""
    sha = result.get("revision") or result["pushed"]
    if "pushed" in result and sha not in activated:
        return ActEffect("{} was not activated", (sha[:SHORT],))
    active = sha == state.active_sha
    words = ["in force"] if active else ["replaced since"]
    words += ["pinned"] if active and state.pinned_ref else []
    words += ["it was in force before"] if result.get("unchanged") else []
    changed = {word: result.get(word) for word in ("added", "removed", "rescheduled")}
    words += [f"{counted(number, 'job')} {word}" for word, number in changed.items() if number]
    return ActEffect("{} " + ", ".join(words), (sha[:SHORT],), "well" if active else None, revision=sha)


def _of_switches(tx: Tx, entries: Sequence[Entry], now: datetime) -> dict[int, ActEffect]:
    if not entries:
        return {}
    switches = registry.switches(tx, {one.subject for one in entries})
    replaced = [one.id for one in entries if switches.get(one.subject) != (one.act == "enable", one.at)]
    later = audit_log.next_acts(tx, replaced, SWITCHES)
    found: dict[int, ActEffect | None] = {}
    for one in entries:
        over = _over(one, later.get(one.id), now, then="; git decides since")
        if one.subject not in switches:
            over = over or ActEffect("no job of the bundle has this id any more")
        found[one.id] = over or (None if one.id in replaced else _of_switch(one))
    return {entry_id: one for entry_id, one in found.items() if one is not None}


def _of_switch(entry: Entry) -> ActEffect:
    word, mark = ("on", "well") if entry.act == "enable" else ("off", "off")
    return _in_force(entry, word, mark, open_end="until somebody switches it again")


def _of_pauses(tx: Tx, entries: Sequence[Entry], now: datetime) -> dict[int, ActEffect]:
    if not entries:
        return {}
    later = audit_log.next_acts(tx, [one.id for one in entries], PAUSES)
    return {one.id: _of_pause(one, later.get(one.id), now) for one in entries}


def _of_pause(entry: Entry, later: Entry | None, now: datetime) -> ActEffect:
    if entry.act == "pause":
        over = _over(entry, later, now)
        return over or _in_force(entry, "in force", "off", open_end="until somebody ends it")
    if not _result(entry)["ended"]:
        return ActEffect("there was no pause")
    if later is not None and later.act == "pause":
        return _by(later, "paused again", entry)
    return ActEffect("runs start again", mark="well")


def _in_force(entry: Entry, word: str, mark: str, *, open_end: str) -> ActEffect:
    until = _until(entry)
    if until is None:
        return ActEffect(f"{word} {open_end}", mark=mark)
    return ActEffect(f"{word} until {{}}", (until,), mark)


def _over(entry: Entry, later: Entry | None, now: datetime, *, then: str = "") -> ActEffect | None:
    """Return how what an act put in force ended: at its time, or by a later act; None if it has not."""
    until = _until(entry)
    if until is not None and until <= (later.at if later else now):
        return ActEffect(f"ended {{}}{then}", (until,))
    if later is None:
        return None
    did = {"enable": "switched on", "disable": "switched off", "unpause": "ended"}
    return _by(later, "replaced" if later.act == entry.act else did[later.act], entry)


def _by(later: Entry, did: str, entry: Entry) -> ActEffect:
    return ActEffect(f"{did} by {{}} {{}} later", (later.who, about((later.at - entry.at).total_seconds())))


def _until(entry: Entry) -> datetime | None:
    until = _result(entry)["until"]
    return None if until is None else datetime.fromisoformat(until)
