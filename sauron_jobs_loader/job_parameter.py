"""The one parameter that a job function may have: whether it takes the JobContext, and whether that is meant.

A script's `main(argv)` has one parameter too. What its annotation or its name says decides: another type is
refused, and a name that no context has is remarked.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

CONTEXT_NAMES = ("ctx", "context", "job_context", "job_ctx", "_ctx", "_context", "_")
"""Names of a parameter with a default that takes the context all the same."""

LIKELY = ("ctx", "context", "job", "run")  # parts of names that a context has


def takes_context(func: Callable[..., Any]) -> bool:
    """Return whether a job function takes a JobContext.

    Raises ValueError with what to write if it takes more, or another type.
    """
    try:
        parameters = list(_signature(func).parameters.values())
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p.name for p in positional if p.default is p.empty]
    required += [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if len(required) > 1 or any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        raise ValueError(
            f"func {_name(func)} needs the arguments {', '.join(required)}: a job function takes no argument,"
            " or one JobContext. Give the others defaults, or declare them as params and read ctx.params."
        )
    if not positional:
        return False
    first = positional[0]
    may = may_be_context(first.annotation)
    if not required:
        return may and (first.name in CONTEXT_NAMES or "JobContext" in str(first.annotation))
    if not may:
        raise ValueError(
            f"func {_name(func)} takes {first.name}: {_shown(first.annotation)}, and a job function gets a"
            " JobContext as its one argument. Give it a default, or declare it as params and read ctx.params."
        )
    return True


def remark(func: Callable[..., Any]) -> tuple[str, str] | None:
    """Return what is odd about the name of the parameter that takes the context, and the cure; or None."""
    try:
        parameters = list(_signature(func).parameters.values())
    except (TypeError, ValueError):
        return None
    taken = [p for p in parameters if p.kind is not p.KEYWORD_ONLY and p.default is p.empty]
    if not taken or taken[0].kind in (taken[0].VAR_POSITIONAL, taken[0].VAR_KEYWORD):
        return None
    name = taken[0].name.lower()
    if len(name) == 1 or name.startswith("_") or any(part in name for part in LIKELY):
        return None
    if taken[0].annotation not in (taken[0].empty, Any, object):
        return None  # it says that it is a context
    cure = "name it ctx if that is meant; otherwise give it a default, or declare it as params"
    text = f"{taken[0].name}, the one parameter of {_name(func)}, gets a JobContext"
    return text, f"{cure} and read ctx.params"


def may_be_context(annotation: Any) -> bool:
    """Return whether a parameter with this annotation can take a JobContext."""
    if annotation is inspect.Parameter.empty or annotation in (Any, object) or isinstance(annotation, str):
        return True  # text that cannot be resolved names a type that only type checkers import
    if isinstance(annotation, typing.TypeVar):
        return True
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(may_be_context(one) for one in typing.get_args(annotation))
    if origin is typing.Annotated:
        return may_be_context(typing.get_args(annotation)[0])
    named = getattr(annotation, "__name__", "").lower()
    return getattr(annotation, "_is_protocol", False) or "context" in named or "ctx" in named


def _signature(func: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(func, eval_str=True)
    except (TypeError, ValueError):
        raise
    except Exception:  # noqa: BLE001 - an annotation is the bundle's code, and may name what only type checkers import
        return inspect.signature(func)


def _name(func: Callable[..., Any]) -> str:
    return str(getattr(func, "__qualname__", func))


def _shown(annotation: Any) -> str:
    simple = isinstance(annotation, type) and not typing.get_args(annotation)
    return str(annotation.__name__ if simple else annotation)
