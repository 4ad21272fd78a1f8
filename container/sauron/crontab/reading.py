"""Read a crontab: of a user, of the system, or of supercronic.

Nothing is lost: a line that cannot be a job is kept with the reason. Bytes that are not UTF-8 are a reason
too, since a manifest could not hold them; in a comment they are read as Latin-1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chalicelib.cron.schedule import Schedule
from chalicelib.errors import ScheduleError
from chalicelib.settings import within
from sauron_jobs_loader.masking import credentials_in

from . import lines, user_column
from .entries import Comment, CronJob, Entry, LeftOut

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ZONES = ("CRON_TZ", "TZ")
_EQUAL = {"@every_minute": "* * * * *"}
_HEADING = re.compile(r"m(?:in\w*)?[.,]?\s+h(?:our\w*)?\b.*", re.IGNORECASE)  # m h dom mon dow command
_DRAWING = re.compile(r"[|.+\u2500-\u257f].*|\*\s*\*.*|[-=~*_]{2,}.*")  # of the fields, or a line across
# a name and its value
_GIVEN = re.compile(r"(?:(?<![\w$])([A-Za-z_][\w-]*)=|--([\w-]+)\s+)(['\"]?)([^\s'\"$`]+)")
_SHOWN_TO_A_SERVER = re.compile(r"(?i:authorization|x-api-key|private-token)\s*:\s*(?:\w+\s+)?[^\s'\"$`]{8,}")
_LEAVES_BEHIND = re.compile(r"(?<![&|<>])&\s*$")
_SETS = re.compile(r"(?:export\s+|set\s+)?['\"]?([^\s='\"]+)['\"]?\s*=\s*(.*)", re.DOTALL)
CRONS_OWN = ("LOGNAME", "USER")


@dataclass
class _Reader:
    """The lines so far: what is in force for the next one, and the comment right above it."""

    system: bool
    variables: dict[str, str] = field(default_factory=dict)
    block: list[str] = field(default_factory=list)

    def entries(self, number: int, raw: bytes) -> Iterator[Entry]:
        """Yield what a line adds; a comment is held back until the next line shows whom it describes."""
        line = _text(raw)
        if line.lstrip(" \t").startswith("#"):
            yield from self._comment(line.strip().lstrip("#").strip())
            return
        if not line.strip():
            yield from self._flush()
        elif (refused := _unreadable(raw, line)) is not None:
            yield from self._flush()
            yield LeftOut(number, _without_secret(line.strip()), refused)
        elif (found := lines.environment(line)) is not None:
            yield from self._flush()
            yield from self._set(number, line.strip(), *found)
        else:
            entry = self._job(number, line)
            if isinstance(entry, LeftOut):
                yield from self._flush()
            self.block.clear()
            yield entry

    def _comment(self, text: str) -> Iterator[Entry]:
        """Take a comment. A heading of columns, or a line that is switched off, describes no other line."""
        apart = not text or _HEADING.fullmatch(text) or _DRAWING.fullmatch(text) or _is_job(text)
        if apart:
            yield from self._flush()
            if text:
                yield Comment(_without_secret(text))
        else:
            self.block.append(_without_secret(text))

    def end(self) -> Iterator[Entry]:
        """Yield what is still held back."""
        yield from self._flush()

    def _flush(self) -> Iterator[Entry]:
        for text in self.block:
            yield Comment(text)
        self.block.clear()

    def _set(self, number: int, line: str, name: str, value: str) -> Iterator[Entry]:
        if name == "MAILTO":
            yield Comment(_about_mail(value))
        elif name == "MAILFROM":
            yield Comment(f"MAILFROM={value}: set FROM_EMAIL={value} where Sauron runs.")
        elif name == "RANDOM_DELAY":
            yield Comment(f"RANDOM_DELAY={value}: give each job jitter_minutes, less than its interval.")
        elif name in CRONS_OWN:
            yield LeftOut(
                number, _without_secret(line), f"cron itself sets {name}; a job has Sauron's own user"
            )
        elif "\0" in value or not _NAME.fullmatch(name):
            yield LeftOut(number, _without_secret(line), f"{name!r} is not a variable that a shell can use")
        else:
            self.variables[name] = value
            if _holds_secret(name, value):
                yield Comment(f"{name} holds a secret: set it where Sauron runs. It is not written here.")

    def _zone(self) -> str:
        named = [self.variables.get(name, "").removeprefix(":") for name in _ZONES]
        return next(filter(None, named), "UTC")

    def _job(self, number: int, line: str) -> CronJob | LeftOut:
        found, shown = lines.scheduled(line), _without_secret(line.strip())
        if found is None:
            return LeftOut(
                number,
                shown,
                "it is not a variable, nor a schedule of five fields or an alias with a command behind it",
            )
        try:
            cron = _cron(found.fields)
            zone = self._zone()
            Schedule.parse(cron, zone)
        except ScheduleError as error:
            return LeftOut(number, shown, str(error))
        rest, user = found.rest.rstrip("\r\n"), None
        column = user_column.split(rest)
        if self.system or (column and column[0] in user_column.NEVER_PROGRAMS):
            user, rest = column or (None, "")
        text, stdin = lines.command(rest)
        text = text if stdin is not None or text.rstrip().endswith("\\") else text.rstrip()
        if not text.strip():
            place = "the user" if self.system else "the schedule"
            return LeftOut(number, shown, f"no command stands behind {place}")
        if (len(text) - len(text.rstrip("\\"))) % 2:
            return LeftOut(
                number, shown, "it ends with a backslash, and cron joins no lines: write it in one"
            )
        plain, secret = self._parted()
        return CronJob(
            line=number,
            cron=cron,
            timezone=zone,
            text=text,
            stdin=stdin,
            shell=plain.pop("SHELL", "") or "/bin/sh",
            variables=tuple(plain.items()),
            secrets=tuple(secret),
            user=user,
            description=" ".join(self.block),
            notes=tuple(_notes(text, user)),
        )

    def _parted(self) -> tuple[dict[str, str], list[str]]:
        """Return the variables that a manifest may hold, and the names of those that hold a secret."""
        plain, secret = {}, []
        for name, value in self.variables.items():
            if _holds_secret(name, value):
                secret.append(name)
            elif name != "CRON_TZ":
                plain[name] = value
        return plain, secret


def read(
    data: bytes,
    *,
    file: Path | None = None,
    system: bool = False,
    is_user: Callable[[str], bool] = user_column.is_user,
) -> list[Entry]:
    """Return what a crontab holds. `system`: its lines have a user column, also if it is not recognised.

    `file` is where it was read from, `is_user` says whether a name is a user's and no program's.
    """
    rows = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    scheduled = [
        found
        for row in rows
        if not row.lstrip(b" \t").startswith(b"#")
        and lines.environment(_text(row)) is None
        and (found := lines.scheduled(_text(row))) is not None
    ]
    reader = _Reader(system or user_column.in_use(file, [one.rest for one in scheduled], known=is_user))
    entries = [entry for number, row in enumerate(rows, 1) for entry in reader.entries(number, row)]
    return [*entries, *reader.end()]


def _text(raw: bytes) -> str:
    raw = raw.rstrip(b"\r")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _unreadable(raw: bytes, line: str) -> str | None:
    """Return why a line cannot be a job whatever it says."""
    if "\0" in line:
        return "it holds a NUL character"
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "it holds bytes that are not UTF-8: convert it, for example with iconv, and import it again"
    return None


def _is_job(text: str) -> bool:
    """Return whether a comment is a line that is switched off."""
    found = lines.scheduled(text)
    if found is None or not found.rest:
        return False
    try:
        Schedule.parse(_cron(found.fields))
    except ScheduleError:
        return False
    return True


def _cron(fields: tuple[str, ...]) -> str:
    """Return the schedule that Sauron reads. Raises ScheduleError for seconds and years."""
    if len(fields) == 1:
        return _EQUAL.get(fields[0].lower(), fields[0])
    if len(fields) > lines.FIVE:
        seconds, *five, year = fields if len(fields) > lines.FIVE + 1 else ("0", *fields)
        if len(fields) == lines.FIVE + 1 or set(seconds) != {"0"} or year != "*":
            raise ScheduleError(
                f"it has {len(fields)} fields, with seconds or years, which Sauron's schedules do not have."
                " Write five: minute, hour, day of month, month, day of week",
                expression=" ".join(fields),
            )
        fields = tuple(five)
    return " ".join(fields)


def _holds_secret(name: str, value: str) -> bool:
    from chalicelib.bundle.job_environment import LIKELY, LIKELY_CHARS

    named = LIKELY.search(name.upper()) and len(value) >= LIKELY_CHARS
    return bool(named or within(value) - {value})


def _shows_secret(command: str) -> bool:
    """Return whether a command itself holds a password, a token or an address with one."""
    given = (
        (f"{name}{option}".replace("-", "_"), value) for name, option, _, value in _GIVEN.findall(command)
    )
    return bool(
        _SHOWN_TO_A_SERVER.search(command)
        or any(_holds_secret(name, value) for name, value in given)
        or any("$" not in found for found in credentials_in(command))
    )


def _without_secret(line: str) -> str:
    """Return a comment or a line that is left out, without the value if it sets what holds a secret.

    It need not be written as cron would read it: `export`, odd names and open quotes are seen through.
    """
    found = _SETS.fullmatch(line)
    return f"{found[1]}=..." if found and _holds_secret(re.sub(r"\W", "_", found[1]), found[2]) else line


def _about_mail(value: str) -> str:
    if not value:
        return "MAILTO is empty: cron mailed nobody. Sauron tells of failures if ALERT_EMAIL is set."
    return f"MAILTO={value}: set ALERT_EMAIL={value} where Sauron runs, and it is told when a job fails."


def _notes(text: str, user: str | None) -> Iterator[str]:
    if user:
        yield f"cron ran it as {user}; here it runs as Sauron's own user."
    if _shows_secret(text):
        yield (
            "Its command seems to hold a secret, which would stand in git: write the name of a variable"
            " instead, such as $NAME, and list that name in the job's secrets."
        )
    if _LEAVES_BEHIND.search(text):
        yield "It ends with `&`, but Sauron ends what a job leaves running: take the `&` away."
