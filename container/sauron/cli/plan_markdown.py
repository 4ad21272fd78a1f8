"""A plan as a comment for a pull request: Markdown that no job, commit or path can break or add to.

Whatever comes from a bundle stands in a code span, where nothing is a link, a mention or HTML; what would end
a span or a cell is replaced. The comment is bounded, as those of git hosts are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.text import cell, counted

from .output import remark_line
from .plan import moves, short, verdict, what

MARK = "<!-- sauron plan -->"  # by which a workflow may find its comment again
ROWS = 40  # of each table
CELL = 160  # characters of a cell
MOST = 60_000  # characters of a comment; hosts take 65,536
_CUT = "\n\n*The rest is left out: `sauron plan --json` has it all.*"


def comment(found: Mapping[str, Any]) -> str:
    """Return the comment."""
    parts = [
        MARK,
        "### Sauron: what this would change",
        (
            f"From {code(short(found['from']))} to {code(short(found['to']))}, "
            f"over the next {counted(found['days'], 'day')}. **{verdict(found)}**"
        ),
        _table(
            "Problems",
            ("job", "problem", "cure"),
            [(one["job_id"] or "the bundle", one["problem"], one["cure"]) for one in found["problems"]],
        ),
        _table(
            "Required secrets that are not set",
            ("job", "secrets"),
            [(one["job_id"], ", ".join(one["missing"])) for one in found["missing_secrets"]],
        ),
        _table(
            "Jobs",
            ("job", "change", "what", "occurrences"),
            [(one["job_id"], one["change"], what(one), moves(one)) for one in found["jobs"]],
        ),
        _load(found["load"]),
        _table(
            "Jobs that would fire together",
            ("when (UTC)", "jobs"),
            [(one["at"], ", ".join(one["jobs"])) for one in found["collisions"]],
            found["collisions_count"],
        ),
        _table(
            "When clocks change",
            ("when (UTC)", "job", "what"),
            [(one["at"], one["job_id"], one["what"]) for one in found["dst"]],
            found["dst_count"],
        ),
        _commits("Commits", found["commits"]),
        _commits("Commits that it lacks", found["undone"]),
        _table("Remarks", ("remark",), [(remark_line(one),) for one in found["remarks"]]),
    ]
    return _within("\n\n".join(part for part in parts if part))


def code(text: str | None) -> str:
    """Return a text as a code span that holds it all and nothing else."""
    line = " ".join(cell(text or "").replace("`", "'").replace("|", "\u00a6").split())
    return f"`{line[: CELL - 3]}...`" if len(line) > CELL else f"`{line or '-'}`"


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str | None]], count: int | None = None
) -> str:
    if not rows:
        return ""
    lines = [f"#### {title}", "", f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(map(code, row))} |" for row in rows[:ROWS]]
    if (more := max(count or 0, len(rows)) - ROWS) > 0:
        lines += ["", f"... and {more} more."]
    return "\n".join(lines)


def _load(load: Mapping[str, Any]) -> str:
    busiest = load["busiest"]
    at = f" ({code(busiest['at'])})" if busiest["at"] else ""
    return (
        f"{load['before']} occurrences before, {load['after']} after; "
        f"at most {busiest['runs']} in one minute{at}."
    )


def _commits(title: str, commits: Sequence[Mapping[str, Any]]) -> str:
    rows = [(short(one["sha"]), one["author"], one["date"], one["subject"]) for one in commits]
    return _table(title, ("commit", "author", "date", "subject"), rows)


def _within(text: str) -> str:
    """Return the text, or as many of its lines as fit."""
    if len(text) <= MOST:
        return text
    return text[: text.rindex("\n", 0, MOST - len(_CUT))] + _CUT
