"""Every small change of a source file that a test should notice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FLIPPED: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
SPOKEN = ("log", "logger")  # calls on these tell people; a test need not notice


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: the characters from `start` to `end` become `text`."""

    file: str
    line: int
    start: int
    end: int
    before: str
    text: str

    def apply(self, source: str) -> str:
        """Return the source with the change made."""
        return source[: self.start] + self.text + source[self.end :]

    def __str__(self) -> str:
        """Say where the change is and what it is, on one line."""
        before, after = (" ".join(one.split())[:60] for one in (self.before, self.text))
        return f"{self.file}:{self.line}  {before}  ->  {after}"


def mutants_of(file: Path, source: str) -> list[Mutant]:
    """Return the mutants of one file, in the order of their places. Each is valid Python."""
    found = [one for one in _Finder(str(file), source).mutants() if _valid(one.apply(source))]
    return sorted(found, key=lambda one: (one.start, one.end, one.text))


def _valid(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


class _Finder:
    def __init__(self, file: str, source: str) -> None:
        self._file = file
        self._source = source
        self._tree = ast.parse(source)
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line.encode()))
        self._bytes = source.encode()

    def mutants(self) -> Iterator[Mutant]:
        for node in _of_functions(self._tree):
            yield from self._of_conditions(node)
            yield from self._of_acts(node)

    def _of_conditions(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Compare(ops=[operator]) if type(operator) in FLIPPED:
                yield self._flip(node, FLIPPED[type(operator)])
            case ast.BoolOp(op=ast.And()):
                yield self._change(node, " or ".join(f"({self._text(one)})" for one in node.values))
            case ast.BoolOp(op=ast.Or()):
                yield self._change(node, " and ".join(f"({self._text(one)})" for one in node.values))
            case ast.UnaryOp(op=ast.Not()):
                yield self._change(node, f"({self._text(node.operand)})")
            case ast.If() | ast.While() | ast.IfExp():
                yield self._change(node.test, f"not ({self._text(node.test)})")

    def _of_acts(self, node: ast.AST) -> Iterator[Mutant]:
        match node:
            case ast.Constant(value=bool(value)):
                yield self._change(node, str(not value))
            case ast.Constant(value=int(value) | float(value)):
                yield self._change(node, repr(value + 1))
            case ast.Call(keywords=[_, *_]) if not _speaks(node):
                yield from self._without_keywords(node)
            case ast.Return(value=ast.expr() as result) if not _is_none(result):
                yield self._change(node, "return None")
            case ast.Expr(value=ast.Call() as call) if not _speaks(call):
                yield self._change(node, "pass")

    def _flip(self, node: ast.Compare, operator: str) -> Mutant:
        left, right = self._text(node.left), self._text(node.comparators[0])
        return self._change(node, f"{left} {operator} {right}")

    def _without_keywords(self, node: ast.Call) -> Iterator[Mutant]:
        for left_out in node.keywords:
            words = [self._text(one) for one in node.args]
            words += [self._text(one) for one in node.keywords if one is not left_out]
            yield self._change(node, f"{self._text(node.func)}({', '.join(words)})")

    def _text(self, node: ast.expr | ast.keyword) -> str:
        start, end = self._span(node)
        return self._bytes[start:end].decode()

    def _span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[end_line - 1] + end_column

    def _change(self, node: ast.expr | ast.stmt, text: str) -> Mutant:
        start, end = self._span(node)
        before = self._bytes[start:end].decode()
        first = len(self._bytes[:start].decode())
        return Mutant(self._file, node.lineno, first, first + len(before), before, text)


def _of_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Return what runs when functions are called; declarations and annotations are left out."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in function.body:
                yield from _within(statement)


def _within(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(
        node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.JoinedStr | ast.AnnAssign
    ):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _within(child)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _speaks(node: ast.Call) -> bool:
    function = node.func
    return isinstance(function, ast.Attribute) and (
        isinstance(function.value, ast.Name) and function.value.id in SPOKEN
    )
