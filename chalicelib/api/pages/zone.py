"""The zone in which a page shows and reads times: `tz` in its address, UTC without it.

Rendering keeps it in every link and form of the page (`chalicelib/web/zoned.py`), `frame.back` in a redirect.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from chalicelib.answers.asked_time import AskedTime, read_asked_time
from chalicelib.api.query import Query
from chalicelib.api.routing import PAGE_PARAMETERS, current_request
from chalicelib.cron.zone_advice import advice
from chalicelib.cron.zones import find_zone
from chalicelib.errors import ScheduleError
from chalicelib.model.instants import InstantError

(TZ,) = PAGE_PARAMETERS


def page_zone() -> ZoneInfo:
    """Return the zone that the address of the current request names. Raises ProblemError 400."""
    from chalicelib.api.query import refused

    request = current_request().request
    name = Query(request, *(request.query_params or {})).text(TZ) or "UTC"
    try:
        return find_zone(name, expression=None)
    except ScheduleError:
        raise refused(TZ, unknown_zone(name).rstrip(".")) from None


def unknown_zone(name: str) -> str:
    """Say that a name is not a zone, and what to write instead."""
    return f"there is no time zone {name!r:.80}. {advice(name)}"


def read_local(text: str, zone: ZoneInfo) -> AskedTime:
    """Return the instant that a `datetime-local` field says, read in the page's zone.

    A time that the clock skips is the instant at which it arrives, of one that comes twice the first is
    meant; the remark says so. Raises InstantError.
    """
    try:
        return read_asked_time(text, zone.key)
    except InstantError as error:
        raise InstantError(str(error).replace("in the job's zone", f"in {zone.key}")) from None
