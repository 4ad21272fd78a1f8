"""What only a shell understands, in the words of a command that has none.

As the first word it is a fault, because no such program can be meant. In an argument it may be meant, as in
`grep '|' file`, so it is only told.
"""
# this runs in the process that is forked, pathlib would cost it memory
# ruff: noqa: PTH119

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BUILTINS = _words(
    ". : alias bg break cd continue declare dirs eval exec exit export fc fg getopts history jobs let local"
    " logout popd pushd read readonly return set shift shopt source suspend trap typeset ulimit umask unalias"
    " unset wait"
)
KEYWORDS = _words("if then elif else fi for while until do done case esac function select [[ { ( !")
_ONLY_BASH = frozenset({"source", "declare", "local", "typeset", "shopt", "pushd", "popd", "let", "[["})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_SIGN = re.compile(r"\|\|?|\|&|&&|&|;|&?\d*(?:>>?\|?|<<?<?)(?:&\d|&-|[\w./~$-]+)?&?")
_VARIABLE = re.compile(r"\$\{?[A-Z_][A-Z0-9_]*\b|\$\(|^`.+`$")
_PATTERN = re.compile(r"[^\\]?[*?]|\[[^\]]+\]")

_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh", "fish", "mksh", "pwsh"})
_READ_BY_OTHERS = _SHELLS | {"ssh", "su", "eval", "parallel", "watch"}  # a shell reads what follows these
# programs that take a single sign themselves, and `$` with a name
_OWN_SIGNS = _words(
    "awk gawk mawk sed grep egrep fgrep rg expr test [ jq yq cut tr paste column sort find xargs perl ruby"
    " node php psql mysql mariadb sqlite3 printf make tcl lua Rscript nft"
)
_OWN_PLACES = 3  # words that may hold such a sign: `expr 1 > 2`, `grep -F | file`
_TAKE_FILES = _words(
    "ls rm cat cp mv gzip gunzip bzip2 xz zstd zip tar chmod chown chgrp head tail wc du stat touch ln shred"
    " file md5sum sha1sum sha256sum rmdir cksum less more sort rsync scp"
)
_OWN_VARIABLES = _words("awk gawk mawk perl envsubst make php nft")
_TAKE_PATTERNS = _words("--exclude --include --filter -x --transform --glob -name")


class Told(NamedTuple):
    """What is shell in a command: the word, what it is, and the command that does what is meant."""

    word: str
    what: str
    instead: list[str]


def command_faults(command: object, shown: str) -> list[str]:
    """Return the faults of the field `command`; `shown` is its value as text."""
    if isinstance(command, str):
        advice = "There is no shell; use ['sh', '-c', ...] for one."
        return [f"command is {shown}: write a list, {_split(command)!r}. {advice}"]
    words = list(command) if isinstance(command, list | tuple) else []
    if not words or not all(isinstance(word, str) for word in words):
        return [f"command is {shown}: write a list of texts, such as ['df', '-h']."]
    if not words[0] or any("\0" in word for word in words):
        return [f"command is {shown}: write a program as its first word, and no NUL in any word."]
    fault = first_word_fault(words)
    return [f"command is {shown}: {fault}"] if fault else []


def first_word_fault(command: Sequence[str]) -> str | None:
    """Return what is wrong with the first word of a command, and what to write.

    None if it may be a program.
    """
    word = command[0]
    if _ASSIGNMENT.match(word):
        rest = [one for one in command[1:] if not _SIGN.fullmatch(one)]
        instead = ["env", word, *rest] if rest else ["env", word, "program"]
        return f"{word!r} sets a variable, as only a shell does: write {instead!r}."
    if word in BUILTINS or word in KEYWORDS:
        shell = "bash" if word in _ONLY_BASH else "sh"
        line = _line(command) + ("" if len(command) > 3 or word in KEYWORDS else " && ...")  # noqa: PLR2004
        return (
            f"{word!r} is a word of the shell, not a program: write {[shell, '-c', line]!r}, or only the"
            " program, which starts in the bundle's folder."
        )
    if word.startswith(("~", "$")):
        return f"{word!r} has a meaning for a shell only: write the full path of the program."
    if len(parts := word.split()) > 1 and "/" not in parts[0]:
        return f"{word!r} is several words in one: write {[*_split(word), *command[1:]]!r}."
    return None


def in_arguments(command: Sequence[str]) -> Iterator[Told]:
    """Yield what only a shell understands among the arguments of a command."""
    program = os.path.basename(command[0])
    for place, word in enumerate(command[1:], 1):
        before = command[place - 1]
        if os.path.basename(before) in _READ_BY_OTHERS:
            return
        if what := _what(program, word, before, place):
            yield Told(word, what, ["sh", "-c", _line(command)])


def _what(program: str, word: str, before: str, place: int) -> str | None:
    own = program in _OWN_SIGNS or program.startswith("python")
    if _SIGN.fullmatch(word) and not (word == "-" or before.startswith("-")):
        if word == ";" and program == "find":
            return None
        return None if own and len(word) == 1 and place < _OWN_PLACES else "is a sign of the shell"
    if word == "~" or word.startswith("~/"):
        return "is a folder for a shell only"
    if program not in _OWN_VARIABLES and _VARIABLE.search(word):
        return "is replaced by a shell only"
    takes_files = program in _TAKE_FILES and not word.startswith("-") and before not in _TAKE_PATTERNS
    if takes_files and ":" not in word and _PATTERN.search(word):
        return "stands for several files in a shell only"
    return None


def _line(command: Sequence[str]) -> str:
    """Return the command as a line for a shell, in which what is meant for it keeps its meaning."""
    return " ".join(_quoted(word) for word in command)


def _quoted(word: str) -> str:
    if _SIGN.fullmatch(word) or word in KEYWORDS:
        return word
    if _VARIABLE.search(word) and '"' not in word:
        return f'"{word}"'
    if not re.search(r"[\s'\"();&|<>$`\\]", word):
        return word
    return shlex.quote(word)


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
