"""Which user name goes with a token at the git hosts: the default, and what an error says of it."""

from __future__ import annotations

DEFAULT_USER = "x-access-token"  # the name that GitHub requires of apps; GitLab and Gitea take any
SHORTEST_TOKEN = 20  # of the hosts below: a shorter word before the @ is a user name

_USERS = {"bitbucket.org": "x-token-auth"}
_ADVICE = {
    "github.com": "at GitHub any user goes with a token, which needs read access to `Contents`",
    "gitlab.com": "at GitLab any user goes with an access token with `read_repository`, "
    "but a deploy token has a user of its own: https://gitlab+deploy-token-N@gitlab.com/...",
    "bitbucket.org": "at Bitbucket the user of an access token is x-token-auth, that of an API token "
    "x-bitbucket-api-token-auth, that of an app password your own: https://USER@bitbucket.org/...",
    "dev.azure.com": "at Azure DevOps any user goes with a personal access token with `Code (read)`",
    "codeberg.org": "at Codeberg any user goes with a token with `read:repository`",
    "gitea.com": "at Gitea any user goes with a token with `read:repository`",
}
_ELSEWHERE = "if the host wants another user with it, write https://USER@{host}/..."


def token_user(host: str) -> str:
    """Return the user name that goes with a token at a host, where the address names none."""
    return _USERS.get(host.lower(), DEFAULT_USER)


def is_known(host: str) -> bool:
    """Return whether a host is one whose tokens have at least `SHORTEST_TOKEN` characters."""
    return host.lower() in _ADVICE


def user_advice(host: str) -> str:
    """Return what a host's tokens go with, for the error that one was refused."""
    return _ADVICE.get(host.lower(), _ELSEWHERE.format(host=host))
