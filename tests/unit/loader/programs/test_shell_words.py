"""What only a shell understands is told, and what a program takes itself is not."""

from __future__ import annotations

import pytest

from sauron_jobs_loader.programs.shell_words import first_word_fault, in_arguments


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["cd", "etc"], "'cd' is a word of the shell, not a program: write ['sh', '-c', 'cd etc && ...']"),
        (["cd", "/srv", "&&", "make"], "write ['sh', '-c', 'cd /srv && make']"),
        (["source", "env.sh"], "write ['bash', '-c', 'source env.sh && ...']"),
        ([".", "./env.sh"], "write ['sh', '-c', '. ./env.sh && ...']"),
        (["export", "A=b"], "'export' is a word of the shell"),
        (["if", "true;", "then"], "'if' is a word of the shell"),
        (
            ["FOO=bar", "sh", "x.sh"],
            "sets a variable, as only a shell does: write ['env', 'FOO=bar', 'sh',",
        ),
        (["A=1"], "write ['env', 'A=1', 'program']"),
        (["~/bin/go"], "write the full path"),
        (["$HOME/bin/go"], "write the full path"),
        (["df -h"], "'df -h' is several words in one: write ['df', '-h']"),
        (["python scripts/x.py", "-v"], "write ['python', 'scripts/x.py', '-v']"),
    ],
)
def test_a_first_word_that_is_no_program_is_a_fault(command: list[str], words: str) -> None:
    assert words in (first_word_fault(command) or "")


@pytest.mark.parametrize(
    "command",
    [["df", "-h"], ["test", "-f", "x"], ["[", "a", "]"], ["/opt/My App/run"], ["time", "ls"], ["./cd"]],
)
def test_a_first_word_that_may_be_a_program_is_good(command: list[str]) -> None:
    assert first_word_fault(command) is None


@pytest.mark.parametrize(
    ("command", "word", "what", "line"),
    [
        (["ls", "|", "wc", "-l"], "|", "is a sign of the shell", "ls | wc -l"),
        (["echo", "a b", ">", "out"], ">", "is a sign of the shell", "echo 'a b' > out"),
        (["make", "all", "&&", "make", "x"], "&&", "is a sign of the shell", "make all && make x"),
        (["go", "2>&1"], "2>&1", "is a sign of the shell", "go 2>&1"),
        (["go", ">/dev/null"], ">/dev/null", "is a sign of the shell", "go >/dev/null"),
        (["grep", "x", "f", "|", "wc"], "|", "is a sign of the shell", "grep x f | wc"),
        (["rm", "-f", "logs/*.log"], "logs/*.log", "stands for several files", "rm -f logs/*.log"),
        (["ls", "~/x"], "~/x", "is a folder for a shell only", "ls ~/x"),
        (["psql", "$DB_URL"], "$DB_URL", "is replaced by a shell only", 'psql "$DB_URL"'),
        (
            ["tar", "-cf", "x-$(date +%F).tar", "a"],
            "x-$(date +%F).tar",
            "is replaced",
            'tar -cf "x-$(date +%F).tar" a',
        ),
    ],
)
def test_a_word_for_a_shell_is_told_with_the_command_that_is_meant(
    command: list[str], word: str, what: str, line: str
) -> None:
    (told,) = in_arguments(command)
    assert told.word == word
    assert told.what.startswith(what)
    assert told.instead == ["sh", "-c", line]


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", "cd /x && ls *.log | wc"],
        ["flock", "-n", "/run/l", "bash", "-c", "a", ">", "b"],
        ["ssh", "host", "ls", "~/x", "|", "wc"],
        ["grep", "|", "file"],
        ["cut", "-d", "|", "-f", "1"],
        ["expr", "1", ">", "2"],
        ["awk", "{print $NF}", "x"],
        ["find", ".", "-name", "*.log", "-exec", "rm", "{}", ";"],
        ["rsync", "-a", "--exclude", "*.tmp", "src/", "nas:/backup/*"],
        ["curl", "https://example.test/?a=1&b=2"],
        ["docker", "system", "prune", "-f", "--filter", "until=24h"],
        ["pg_dump", "-Fc", "shop", "-f", "/backup/shop.dump"],
        ["python3", "-c", "print(1 > 2)"],
        ["go", "-"],
    ],
)
def test_what_a_program_takes_itself_is_not_told(command: list[str]) -> None:
    assert list(in_arguments(command)) == []
