"""A refused token is told with the user that was sent, and a user name alone is no token."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauron_jobs_loader.errors import SourceError, SourceFault
from sauron_jobs_loader.git.address import parse_address
from sauron_jobs_loader.masking import address_credentials
from tests.git_servers import GitHttpServer
from tests.unit.loader.git.sources import TOKEN, Kind

LONG = "ATBBx7zP4v9qLw2mKc8nRt5"


@pytest.mark.parametrize(
    ("url", "given", "user", "token"),
    [
        ("https://github.com/o/r", LONG, "x-access-token", LONG),
        ("https://bitbucket.org/w/r", LONG, "x-token-auth", LONG),
        ("https://me@bitbucket.org/w/r", LONG, "me", LONG),
        ("https://me@bitbucket.org/w/r", None, "me", None),
        ("https://acme@dev.azure.com/acme/p/_git/r", None, "acme", None),
        ("https://gitlab+deploy-token-7@gitlab.com/o/r", LONG, "gitlab+deploy-token-7", LONG),
        ("https://x-token-auth@git.test/o/r", None, "x-token-auth", None),
        (f"https://{LONG}@bitbucket.org/w/r", None, "x-token-auth", LONG),
        ("https://secret@git.test/o/r", None, "x-access-token", "secret"),
        ("https://oauth2:secret@git.test/o/r", None, "oauth2", "secret"),
    ],
)
def test_the_user_that_goes_with_a_token(url: str, given: str | None, user: str, token: str | None) -> None:
    address = parse_address(url, token=given)
    assert (address.token_user, address.token) == (user, token)


def test_a_user_name_of_the_manuals_is_no_secret() -> None:
    assert address_credentials("https://x-token-auth@bitbucket.org/w/r") == set()
    assert address_credentials("https://me@bitbucket.org/w/r") == {"me"}


@pytest.mark.process
@pytest.mark.parametrize(
    ("before", "token", "words"),
    [
        ("", "wrong-token", "does not accept the token with the user 'x-access-token'; set JOBS_GIT_TOKEN"),
        ("oauth2@", "wrong-token", "does not accept the token with the user 'oauth2'"),
        ("someone@", "wrong-token", "does not accept the token with the address's user"),
        ("someone@", None, "if that is a user name, no token is given: set JOBS_GIT_TOKEN"),
        ("oauth2@", None, "no token is given, and 127.0.0.1 asks for a token; set JOBS_GIT_TOKEN"),
        ("", None, "no token is given, and 127.0.0.1 asks for a token; set JOBS_GIT_TOKEN"),
    ],
)
def test_a_refusal_names_what_was_sent(
    before: str, token: str | None, words: str, kind: Kind, http: GitHttpServer, root: Path
) -> None:
    url = f"{http.url}/bundle/.git".replace("://", f"://{before}")
    with pytest.raises(SourceError) as caught:
        kind(url, root=root, token=token).fetch()
    assert words in str(caught.value)
    assert "write https://USER@127.0.0.1/" in str(caught.value) or before == "someone@"
    assert not [secret for secret in ("wrong-token", "someone") if secret in str(caught.value)]
    assert caught.value.fault is SourceFault.ACCESS


@pytest.mark.process
def test_a_token_with_a_user_of_its_own_opens_the_repository(
    kind: Kind, http: GitHttpServer, root: Path
) -> None:
    http.user = "gitlab+deploy-token-7"
    url = f"{http.url}/bundle/.git".replace("://", f"://{http.user}@")
    source = kind(url, root=root, token=TOKEN)
    assert len(source.fetch()) == 40
