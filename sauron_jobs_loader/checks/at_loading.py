"""Times, random values and process ids that a module asks for when it is loaded: every run gets the same.

Nothing is executed. Limit: a name is followed through the imports of its own file and one call deep.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from .remark import Remark
from .tree import BundleTree

AT_LOADING = "move it into the function: what is here runs when the bundle is loaded, not when a job runs"
AS_DEFAULT = "write None as the default and call it in the function: a default is made when the bundle loads"

_CLOCK_METHODS = frozenset({"now", "today", "utcnow"})
_CHANGING = frozenset(
    {
        *(f"time.{name}{ns}" for name in ("time", "monotonic", "perf_counter") for ns in ("", "_ns")),
        *(f"time.{name}" for name in ("process_time", "ctime", "asctime")),
        *(f"time.{name}" for name in ("localtime", "gmtime", "strftime")),
        *(f"uuid.uuid{number}" for number in (1, 4, 6, 7)),
        *(f"os.{name}" for name in ("getpid", "getppid", "urandom")),
        *(f"secrets.{name}" for name in ("token_hex", "token_bytes", "token_urlsafe", "randbelow", "choice")),
        "secrets.randbits",
        *(f"random.{name}" for name in ("random", "randint", "randrange", "uniform", "choice", "choices")),
        *(f"random.{name}" for name in ("sample", "shuffle", "getrandbits", "randbytes", "gauss", "Random")),
        *(f"numpy.random.{name}" for name in ("rand", "randn", "randint", "random", "choice", "normal")),
        *("numpy.random.default_rng", "numpy.random.RandomState"),
        *(f"tempfile.{name}" for name in ("mkdtemp", "mkstemp", "mktemp", "TemporaryDirectory")),
        *(f"tempfile.{name}" for name in ("NamedTemporaryFile", "TemporaryFile")),
    }
)
_GIVEN_A_TIME = dict.fromkeys(("time.ctime", "time.asctime", "time.localtime", "time.gmtime"), 1) | {
    "time.strftime": 2,
    **dict.fromkeys(("random.Random", "numpy.random.default_rng", "numpy.random.RandomState"), 1),
}
"""Functions that do not ask for the present, or for chance, if they get so many arguments."""


def check(tree: BundleTree) -> list[Remark]:
    """Return a remark for each such call in the files that loading executes."""
    return [remark for file in tree.loaded for remark in _made(tree.folder, file)]


def _made(folder: Path, file: str) -> list[Remark]:
    try:
        tree = ast.parse((folder / file).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    names = _imported(tree)
    indirect = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(_changing(call, names) for call in ast.walk(node) if isinstance(call, ast.Call))
    }
    found = set()
    for node, cure in _executed(tree.body):
        for call in _calls(node):
            what = _changing(call, names)
            if what is None and isinstance(call.func, ast.Name) and call.func.id in indirect:
                what = call.func.id
            if what:
                text = f"{what}() is called once, when the bundle is loaded: every run gets that value"
                found.add((call.lineno, text, cure))
    return [Remark(file, *one) for one in sorted(found)]


def _imported(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for, with dots."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _changing(call: ast.Call, names: dict[str, str]) -> str | None:
    """Return the name of a function whose value is of the moment, if that is what a call calls."""
    parts: list[str] = []
    func = call.func
    while isinstance(func, ast.Attribute):
        parts.insert(0, func.attr)
        func = func.value
    if not isinstance(func, ast.Name) or func.id not in names:
        return None
    dotted = ".".join([names[func.id], *parts])
    if len(call.args) >= _GIVEN_A_TIME.get(dotted, len(call.args) + 1):
        return None
    if dotted in _CHANGING or (parts and parts[-1] in _CLOCK_METHODS):
        return dotted
    return None


def _executed(body: list[ast.stmt]) -> Iterator[tuple[ast.AST, str]]:
    """Yield each statement and default that loading executes, with the cure for what is called in it."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ((one, AT_LOADING) for one in node.decorator_list)
            given = [*node.args.defaults, *node.args.kw_defaults]
            yield from ((one, AS_DEFAULT) for one in given if one is not None)
        elif isinstance(node, ast.ClassDef):
            yield from _executed(node.body)
        elif isinstance(node, ast.If):
            if _is_main(node.test):
                yield from _executed(node.orelse)
                continue
            yield node.test, AT_LOADING
            yield from _executed([*node.body, *node.orelse])
        elif isinstance(node, ast.For | ast.While | ast.With):
            yield from ((one, AT_LOADING) for one in _head(node))
            yield from _executed([*node.body, *getattr(node, "orelse", ())])
        elif isinstance(node, ast.Try):
            handlers = [one for handler in node.handlers for one in handler.body]
            yield from _executed([*node.body, *handlers, *node.orelse, *node.finalbody])
        else:
            yield node, AT_LOADING


def _head(node: ast.For | ast.While | ast.With) -> list[ast.AST]:
    if isinstance(node, ast.With):
        return list(node.items)
    return [node.iter if isinstance(node, ast.For) else node.test]


def _is_main(test: ast.expr) -> bool:
    return "__name__" in {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls in a node that are made when it is executed: not those in a lambda."""
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.Call):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _calls(child)
