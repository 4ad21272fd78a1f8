"""What a tool is: a name, the scope it needs, its arguments, and what it does; and its bounded result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from chalicelib.api.auth import Caller
from chalicelib.api.bodies import Body, Line
from chalicelib.wiring import Sauron

ITEMS = 20  # of a list in a result
CHARACTERS = 6000  # of a text in a result
INNER_CHARACTERS = 500  # of a text inside a list or an object of it
NAME_CHARACTERS = 100

JobId = Annotated[str, Field(description="The id of a job, as find_jobs lists it.")]
RunId = Annotated[str, Field(description="The id of a run, as runs lists it.")]


class Nothing(Body):
    """No arguments."""


class Change(Body):
    """Arguments of what changes something: without `apply` it is only previewed."""

    reason: Annotated[Line, Field(description="Why. Needed with apply; kept in the audit log.")] | None = None
    apply: Annotated[bool, Field(description="true does it; otherwise it is only previewed.")] = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: on which Sauron, by whom, with which arguments."""

    sauron: Sauron
    caller: Caller
    given: Any


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool found or did: a sentence with the next step, and the facts.

    `untrusted`: some of it was written by jobs or other people.
    """

    text: str
    facts: dict[str, Any] = field(default_factory=dict)
    untrusted: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool. `acts` names what it does in the audit log; None: it changes nothing.

    `lasts`: no transaction of its own records the act. `subject` is what it acts on unless it is told.
    """

    name: str
    scope: str
    about: str
    arguments: type[Body]
    do: Callable[[Asked], Result]
    acts: Callable[[dict[str, Any]], str] | None = None
    lasts: bool = False
    subject: str = "bundle"


def bounded(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts whose lists and texts are cut; `cut` says how long the lists were."""
    cut: dict[str, int] = {}
    shown = {
        name: _short(value, CHARACTERS) if isinstance(value, str) else _bounded(value, name, cut)
        for name, value in facts.items()
    }
    return shown | ({"cut": cut} if cut else {})


def _bounded(value: Any, place: str, cut: dict[str, int]) -> Any:
    if isinstance(value, str):
        return _short(value, INNER_CHARACTERS)
    if isinstance(value, dict):
        if len(value) > ITEMS:
            cut[place] = len(value)
        few = list(value.items())[:ITEMS]
        return {
            _short(str(name), NAME_CHARACTERS): _bounded(item, f"{place}.{name}", cut) for name, item in few
        }
    if isinstance(value, list | tuple):
        if len(value) > ITEMS:
            cut[place] = len(value)
        return [_bounded(item, place, cut) for item in value[:ITEMS]]
    return value


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
