"""How an act of a person or a program came in, and what became of it."""

from __future__ import annotations

from enum import StrEnum


class Door(StrEnum):
    """How an act came in."""

    HTTP = "http"
    PAGE = "page"
    CLI = "cli"  # the command line on this machine; with --url it comes in by http
    MCP = "mcp"
    HOOK = "hook"


class Outcome(StrEnum):
    """What became of an act."""

    DONE = "done"
    REFUSED = "refused"  # it changed nothing
