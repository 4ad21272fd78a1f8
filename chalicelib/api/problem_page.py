"""An error as a page: what is wrong, and what to do next, for whoever asked with a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.web.rendering import render

from .auth import NOBODY, Caller, what_may

# What the first line says, and what a person does next.
_SAID = {
    400: ("This was refused", "Nothing was done. Go back and look at its state."),
    401: ("You are not signed in", ""),
    403: ("You may not do this", "Nothing was done."),
    404: ("Not found", "Look for it in the list of jobs or runs."),
    405: ("There is nothing to see here", "This address takes forms alone. Open the page that has the form."),
    409: ("This cannot be done now", "Nothing was done. Go back and look at its state."),
    413: ("This is too long", "Nothing was done. Go back: the browser keeps what you wrote."),
    415: ("This form cannot be read", "Nothing was done. Send it with the page's own button."),
    422: (
        "Something in the form is wrong",
        "Nothing was done. Go back: the browser keeps what you wrote.",
    ),
    429: ("Too many wrong tokens", ""),
    500: (
        "Something went wrong inside Sauron",
        "Sauron's own log has the reason. If you sent a form, the audit log says what became of it.",
    ),
    503: ("Sauron cannot use its store", ""),
}
_ADDRESS = ("This address cannot be read", "Correct the address, or begin at the overview.")
_ELSE = ("This was refused", "Nothing was done.")
DOCTOR = 503  # the status with which the doctor helps
UNKNOWN = 401


def problem_page(
    problem: Mapping[str, Any], *, mount: str, caller: Caller = NOBODY
) -> tuple[str, dict[str, str | list[str]]]:
    """Return the text and headers of the page of a problem."""
    status = int(problem["status"])
    first_line, advice = _ADDRESS if "parameter" in problem else _SAID.get(status, _ELSE)
    return render(
        "problem.html",
        mount=mount,
        may=what_may(caller, mount),
        who=caller,
        first_line=first_line,
        problem=problem,
        advice=advice,
        needed=problem.get("needed"),
        signs_in=status == UNKNOWN,
        doctor=status == DOCTOR,
    )
