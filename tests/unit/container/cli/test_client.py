from __future__ import annotations

from pathlib import Path

import pytest

from tests.http_receiver import Answer, Receiver, receive
from tests.unit.container.cli.conftest import Cli


@pytest.mark.parametrize("order", [("--json", "version"), ("version", "--json")])
def test_the_shared_options_may_stand_before_and_after_the_command(cli: Cli, order: tuple[str, ...]) -> None:
    assert set(cli(*order).json) == {"version"}


def test_an_address_without_a_scheme_is_wrong_use(cli: Cli) -> None:
    said = cli("list", "--url", "host:8080")
    assert said.code == 2
    assert "'host:8080' is not a valid address. Write http://host:port" in said.err


def test_a_sauron_that_cannot_be_reached_is_named_with_its_address(cli: Cli) -> None:
    said = cli("status", SAURON_URL="http://127.0.0.1:9")
    assert said.code == 1
    assert "http://127.0.0.1:9 cannot be reached" in said.err


def test_a_refused_act_is_exit_1_and_refused_arguments_are_exit_2(cli: Cli) -> None:
    assert cli("show", "no-such-run").code == 1
    assert cli("run", "no-such-job").code == 1
    assert cli("disable", "no-such-job", "--until", "soon").code == 2


JSON = {"Content-Type": "application/json"}
STRANGE = [
    Answer(200, "<html>Sign in</html>", {"Content-Type": "text/html"}),
    Answer(200, "", {}),
    Answer(204, "", {}),
    Answer(200, '"ok"', JSON),
    Answer(200, "[]", JSON),
    Answer(200, "{}", JSON),
    Answer(200, '{"status": "healthy"}', JSON),
    Answer(200, "no gzip", {"Content-Encoding": "gzip"}),
    Answer(302, "", {"Location": "https://sign-in.test/"}),
    Answer(404, "<html>nothing here</html>", {}),
    Answer(502, "[]", {}),
    Answer(403, '{"detail": null}', {}),
]
COMMANDS = (
    "version",
    "list",
    "status",
    "runs",
    "show x",
    "logs x",
    "run x --wait",
    "next",
    "sync",
    "alerts",
    "audit",
)


@pytest.mark.parametrize(
    ("command", "answer"),
    [("status", answer) for answer in STRANGE] + [(one, STRANGE[n]) for one in COMMANDS for n in (0, 5)],
)
def test_an_answer_that_is_not_saurons_is_one_sentence_that_asks_for_the_address(
    cli: Cli, answer: Answer, command: str
) -> None:
    with receive(answer) as other:
        said = cli(*command.split(), SAURON_URL=f"{other.url}/?x=1")
    assert said.code == 1
    assert "not as Sauron does. Is the address right?" in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("scheme", ["HTTP", "Http"])
def test_the_scheme_of_an_address_has_no_case(cli: Cli, scheme: str) -> None:
    with receive(Answer(200, '{"version": "9.9.9"}')) as running:
        address = running.url.replace("http", scheme)
        assert cli("version", "--url", address).out == "9.9.9\n"
        assert cli("version", SAURON_URL=address).out == "9.9.9\n"


@pytest.mark.parametrize("address", ["ftp://host", "https:/host", "http://", "http://[::1", "http://h:port"])
def test_an_address_that_cannot_be_one_is_wrong_use(cli: Cli, address: str) -> None:
    for said in (cli("list", "--url", address), cli("list", SAURON_URL=address)):
        assert said.code == 2
        assert "is not a valid address. Write http://host:port" in said.err


def test_the_password_of_an_address_is_not_shown(cli: Cli) -> None:
    said = cli("list", "--url", "http://me:hunter2-and-more@127.0.0.1:9")
    assert said.code == 1
    assert "hunter2" not in said.err


@pytest.mark.parametrize("token", ["caf\u00e9-token", "two words", "line\nbreak-token"])
def test_a_token_that_no_header_can_hold_is_wrong_use_and_is_not_shown(cli: Cli, token: str) -> None:
    said = cli("status", "--url", "http://127.0.0.1:9", "--token", token)
    assert said.code == 2
    assert "The token holds a space, a line break or a letter beyond ASCII. Write the token alone" in said.err
    assert "token-" not in said.err
    assert "Bearer" not in said.err


HEALTH = Answer(200, '{"version": "9.9.9"}')


def sent(asked: Receiver) -> list[str | None]:
    return [one.headers.get("Authorization") for one in asked.asked]


@pytest.mark.parametrize("given", ["environment", "option"])
def test_a_token_from_elsewhere_is_not_sent_to_an_address_of_the_env_file(
    cli: Cli, tmp_path: Path, given: str
) -> None:
    with receive(HEALTH) as stranger:
        (tmp_path / ".env").write_text(f"SAURON_URL={stranger.url}\n")
        said = (
            cli("version", SAURON_TOKEN="shell-token-1")
            if given == "environment"
            else cli("version", "--token", "shell-token-1")
        )
        assert stranger.asked == []
    assert said.code == 2
    assert f"SAURON_URL is from {tmp_path}/.env" in said.err
    assert f"--url {stranger.url}" in said.err
    assert "shell-token" not in said.err


def test_a_pair_of_the_env_file_is_used_together(cli: Cli, tmp_path: Path) -> None:
    with receive(HEALTH) as running:
        (tmp_path / ".env").write_text(f"SAURON_URL={running.url}\nSAURON_TOKEN=file-token-1\n")
        assert cli("version").code == 0
        assert cli("version", SAURON_TOKEN="shell-token-1").code == 0
        assert sent(running) == ["Bearer file-token-1"] * 2


def test_an_address_of_the_env_file_needs_no_token(cli: Cli, tmp_path: Path) -> None:
    with receive(HEALTH) as running:
        (tmp_path / ".env").write_text(f"SAURON_URL={running.url}\n")
        assert cli("version").code == 0
        assert sent(running) == [None]


def test_an_address_given_by_hand_gets_the_token_wherever_it_is_from(cli: Cli, tmp_path: Path) -> None:
    with receive(HEALTH) as running:
        (tmp_path / ".env").write_text("SAURON_URL=http://127.0.0.1:9\nSAURON_TOKEN=file-token-1\n")
        assert cli("version", "--url", running.url, SAURON_TOKEN="shell-token-1").code == 0
        assert cli("version", "--url", running.url, "--token", "typed-token-1").code == 0
        assert cli("version", "--url", running.url).code == 0
        assert cli("version", "--token", "typed-token-1", SAURON_URL=running.url).code == 0
        assert sent(running) == [f"Bearer {one}-token-1" for one in ("shell", "typed", "file", "typed")]


def test_a_failure_names_the_file_that_the_address_is_from(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SAURON_URL=http://127.0.0.1:9\n")
    assert f"(SAURON_URL in {tmp_path}/.env)" in cli("status").err


def test_options_that_say_all_need_no_env_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("not a setting\n")
    with receive(HEALTH) as running:
        assert cli("version", "--url", running.url, "--token", "typed-token-1").code == 0


@pytest.mark.parametrize("address", ["http://me:hunter2/more@127.0.0.1:9", "ftp://me:hunter2/more@host"])
def test_the_password_of_an_address_that_cannot_be_read_is_not_shown(cli: Cli, address: str) -> None:
    said = cli("list", "--url", address)
    assert said.code == 2
    assert "hunter2" not in said.err
