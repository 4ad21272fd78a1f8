"""Ids for the commands of a crontab: the program's name, and what tells it from others."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Collection, Sequence

from chalicelib.model.jobs import BUILTIN_PREFIX
from sauron_jobs_loader.programs.shell_words import BUILTINS, KEYWORDS

LONGEST = 64
_SIGNS = frozenset(["&&", "||", "|", ";", "&", "(", ")", "|&", ";;"])
_REDIRECTION = re.compile(r"[<>&|]*[<>][<>&|]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_PREPARES = BUILTINS | {"[", "test", "sleep", "mkdir", "true"}  # what comes before the work
_WRAPPERS = {  # programs that start another, with their options that take a value
    "sudo": "-u -g -h -p",
    "nice": "-n",
    "ionice": "-c -n -p",
    "timeout": "-k -s",
    "flock": "-w -E",
    **dict.fromkeys(("env", "nohup", "setsid", "chronic", "time", "stdbuf", "command", "exec"), ""),
}
_READERS = re.compile(r"(?:ba|da|z|k)?sh|python[\d.]*|perl|ruby|node|php[\d.]*|java|Rscript")
_SHELLS = re.compile(r"(?:ba|da|z|k)?sh|su|flock")
_SCRIPT = re.compile(r"\.(?:sh|bash|py|pl|rb|js|php|jar|R)$")
_PLAIN = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_AMOUNT = re.compile(r"[\d.]+[smhd]?")
_PLAIN_WORDS = 2  # of a subcommand, such as `docker system prune`
_DEPTH = 4  # shells within shells


def job_id(command: str, taken: Collection[str]) -> str:
    """Return an id for a command that is not among `taken`: its program, its last argument, a number."""
    words = _work(command)
    name = _slug(_name(words)) or "job"
    if name.startswith(BUILTIN_PREFIX):
        name = name.replace(".", "-")
    last = _slug(words[-1].rstrip("/").rpartition("/")[2]) if len(words) > 1 else ""
    tried = [name, _within(f"{name}-{last}" if last else name)]
    number = 2
    while tried and (found := tried.pop(0)) in taken:
        if not tried:
            tried, number = [_within(name, f"-{number}")], number + 1
    return found


def _within(name: str, end: str = "") -> str:
    return name[: LONGEST - len(end)].rstrip("-._") + end


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _within(re.sub(r"[^a-z0-9_.]+", "-", plain).strip("-._"))


def _name(words: Sequence[str]) -> str:
    """Return the program's name and the plain words behind it."""
    if not words:
        return ""
    program = _SCRIPT.sub("", words[0].rstrip("/").rpartition("/")[2])
    more = []
    for word in words[1 : 1 + _PLAIN_WORDS]:
        if not _PLAIN.fullmatch(word):
            break
        more.append(word)
    return "-".join([program, *more])


def _work(command: str, depth: int = 0) -> list[str]:
    """Return the words of the part of a shell line that does the work, from its program on."""
    parts = list(filter(None, map(_without_prefix, _parts(command))))
    words = next((part for part in parts if part[0] not in _PREPARES), parts[0] if parts else [])
    while words:
        program = words[0].rpartition("/")[2]
        if _SHELLS.fullmatch(program) and "-c" in words[1:-1] and depth < _DEPTH:
            return _work(words[words.index("-c", 1) + 1], depth + 1)
        if program in _WRAPPERS:
            inner = _without_prefix(_behind(program, words[1:]))
        elif _READERS.fullmatch(program):
            inner = _read(words[1:])
        else:
            return words
        if not inner:
            return words
        words = inner
    return []


def _parts(command: str) -> list[list[str]]:
    """Return the words of each program of a shell line, without what is redirected."""
    reader = shlex.shlex(command, posix=True, punctuation_chars=True)
    reader.whitespace_split, reader.commenters = True, ""
    try:
        tokens = list(reader)
    except ValueError:  # a quote that does not end
        tokens = command.split()
    parts: list[list[str]] = [[]]
    redirected = False
    for token in tokens:
        if token in _SIGNS:
            parts.append([])
            redirected = False
        elif _REDIRECTION.fullmatch(token):
            redirected = True
        elif not redirected:
            parts[-1].append(token)
    return parts


def _without_prefix(words: Sequence[str]) -> list[str]:
    """Return words without the assignments and keywords before a program."""
    begin = 0
    while begin < len(words) and (_ASSIGNMENT.fullmatch(words[begin]) or words[begin] in KEYWORDS - {"[["}):
        begin += 1
    return list(words[begin:])


def _behind(wrapper: str, words: Sequence[str]) -> list[str]:
    """Return the command that a wrapper starts."""
    taking, place = _WRAPPERS[wrapper].split(), 0
    while place < len(words) and (words[place].startswith("-") or _AMOUNT.fullmatch(words[place])):
        place += 2 if words[place] in taking else 1
    return list(words[place + (wrapper == "flock") :])


def _read(words: Sequence[str]) -> list[str]:
    """Return the script or module that an interpreter reads, and its arguments."""
    for place, word in enumerate(words):
        if word in {"-c", "-e", "-r"}:
            return []
        if word in {"-m", "-jar"}:
            return list(words[place + 1 :])
        if not word.startswith("-"):
            return list(words[place:])
    return []
