"""What keeps an open page fresh: a browser asks here every few seconds whether its page has changed.

The response is the version of a page, also as its entity tag: 304 while nothing changed. The script of the
pages then loads the page itself again and changes what differs in place. A version also changes once a
minute, because pages show how far time has come, and every few seconds where runs in progress are measured.
What comes next follows these within seconds as well: to foresee it at each end of a run would cost too much.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from chalice.app import Blueprint, Response

from chalicelib.api import parameters
from chalicelib.api.entity_tags import with_tag
from chalicelib.api.problems import ProblemError
from chalicelib.api.query import RUN_ID
from chalicelib.api.routing import as_json, current_request, get
from chalicelib.model.runs import RunState
from chalicelib.store import page_marks
from chalicelib.store.database import Tx
from chalicelib.store.page_marks import Mark
from chalicelib.web.rendering import script

blueprint = Blueprint(__name__)

PAGE = parameters.text("page", "The address of the open page below Sauron's own: path and query.")
STEP, STEP_OF_RUNNING = 60, 10  # seconds after which a page is another one though nothing was written
_OF_RUN = re.compile(rf"/ui/runs/({RUN_ID.pattern})(?:\?.*)?")
_FOREVER = "private, max-age=31536000, immutable"


@get(blueprint, "/ui/events", query=(PAGE,))
def events() -> Response:
    """Return the version of a page, by default of the overview."""
    current = current_request()
    address = PAGE.of(current.query) or "/"
    now = current.sauron.clock.now()
    of_run = _OF_RUN.fullmatch(address)
    with current.sauron.store.read() as tx:
        mark, moves = _mark(tx, address, of_run and of_run[1])
    version = _version(mark, address, now, step=STEP_OF_RUNNING if moves else STEP)
    return with_tag(current.request, as_json({"page": address, "version": version}))


def _mark(tx: Tx, address: str, run_id: str | None) -> tuple[Mark, bool]:
    """Return the mark of a page, and whether it changes every few seconds although nothing was written."""
    if run_id is not None:
        mark = page_marks.of_run(tx, run_id)
        return mark, mark[:1] == (RunState.RUNNING,)
    if address.partition("?")[0] == "/ui/next":
        return page_marks.of_what_comes(tx), True
    return page_marks.of_everything(tx), address == "/" and page_marks.anything_runs(tx)


@get(blueprint, "/ui/script/{digest}")
def page_script(digest: str) -> Response:
    """Return the script of the pages. Its address names its content, so a browser keeps it."""
    if digest != script().digest:
        raise ProblemError(404, "Pages name the script that they need; reload the page.")
    headers: dict[str, str | list[str]] = {
        "Content-Type": "text/javascript; charset=utf-8",
        "Cache-Control": _FOREVER,
        "ETag": f'"{digest}"',
    }
    response = Response(body=script().text, headers=headers)
    tagged = with_tag(current_request().request, Response(body=script().text, headers=dict(headers)))
    return tagged if tagged.status_code != response.status_code else response


def _version(mark: page_marks.Mark, address: str, now: datetime, *, step: int) -> str:
    told = repr((mark, address, int(now.timestamp()) // step))
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:32]
