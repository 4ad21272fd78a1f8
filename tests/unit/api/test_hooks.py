from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib import wiring
from chalicelib.errors import BundleError
from chalicelib.store import audit_log, bundle
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock
from tests.unit.api.client import Answer, Client
from tests.unit.api.conftest import Build

SECRET = "a secret of the webhook, with ü"
SHA = "5f3c1b7a9d2e4f6081a2b3c4d5e6f708192a3b4c"
NOTHING = "0" * 40

# As each host documents its payloads, shortened to what surrounds the ref.
GITHUB = {"before": NOTHING, "deleted": False, "repository": {"full_name": "ops/jobs"}, "commits": []}


def of_github(ref: str, after: str = SHA, **more: Any) -> tuple[dict[str, str], dict[str, Any]]:
    return {"X-GitHub-Event": "push"}, {"ref": ref, "after": after, **GITHUB, **more}


def of_gitea(ref: str, after: str = SHA) -> tuple[dict[str, str], dict[str, Any]]:
    kind = {"X-Gitea-Event": "push", "X-Gogs-Event": "push", "X-GitHub-Event": "push"}
    return kind, {"ref": ref, "before": NOTHING, "after": after, "pusher": {"login": "ann"}}


def of_forgejo(ref: str, after: str = SHA) -> tuple[dict[str, str], dict[str, Any]]:
    headers, payload = of_gitea(ref, after)
    return {**headers, "X-Forgejo-Event": "push"}, payload


def of_gitlab(ref: str, after: str = SHA) -> tuple[dict[str, str], dict[str, Any]]:
    kind = "tag_push" if ref.startswith("refs/tags/") else "push"
    event = {"X-Gitlab-Event": "Tag Push Hook" if kind == "tag_push" else "Push Hook"}
    gone = after == NOTHING
    return event, {"object_kind": kind, "event_name": kind, "ref": ref, "after": after} | {
        "checkout_sha": None if gone else after
    }


def of_bitbucket_cloud(ref: str, after: str = SHA) -> tuple[dict[str, str], dict[str, Any]]:
    _, kind, name = ref.split("/", 2)
    named = {"name": name, "type": "branch" if kind == "heads" else "tag", "target": {"hash": after}}
    gone = after == NOTHING
    change = {"new": None if gone else named, "old": named, "closed": gone, "created": False}
    return {"X-Event-Key": "repo:push"}, {"actor": {}, "repository": {}, "push": {"changes": [change]}}


def of_bitbucket_data_center(ref: str, after: str = SHA) -> tuple[dict[str, str], dict[str, Any]]:
    change = {
        "ref": {"id": ref, "displayId": ref.rsplit("/", maxsplit=1)[-1], "type": "BRANCH"},
        "refId": ref,
        "fromHash": NOTHING,
        "toHash": after,
        "type": "DELETE" if after == NOTHING else "UPDATE",
    }
    return {"X-Event-Key": "repo:refs_changed"}, {"eventKey": "repo:refs_changed", "changes": [change]}


HOSTS = {
    "github": of_github,
    "gitea": of_gitea,
    "forgejo": of_forgejo,
    "gitlab": of_gitlab,
    "bitbucket": of_bitbucket_cloud,
    "bitbucket data center": of_bitbucket_data_center,
}


class Asked:
    """Counts the syncs that pushes ask for."""

    def __init__(self) -> None:
        self.times = 0

    def ask(self) -> None:
        self.times += 1


@pytest.fixture
def asked(build: Build) -> Asked:
    made, counted = build(**CONFIGURED), Asked()
    wiring.PROCESS.set(dataclasses.replace(made, pushed_syncs=counted))
    return counted


CONFIGURED = {
    "SAURON_GIT_WEBHOOK_SECRET": SECRET,
    "JOBS_GIT_REPO_URL": "/srv/jobs.git",
    "JOBS_GIT_BRANCH": "main",
    "SAURON_API_TOKENS": "grafana:read:read-token-1",
}


def signed(host: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    """Sign as each host documents it, by the standard library alone."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if host == "gitlab":
        return {"X-Gitlab-Token": secret}
    if host.startswith("bitbucket"):
        return {"X-Hub-Signature": f"sha256={digest}"}
    sha1 = hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-Hub-Signature": f"sha1={sha1}"}


def send(host: str, headers: dict[str, str], payload: Any, *, secret: str = SECRET) -> Answer:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Client().ask("POST", "/hooks/git", body, kind | signed(host, body, secret) | headers)


def entries() -> list[dict[str, Any]]:
    return list(Client({"Authorization": "Bearer read-token-1"}).get("/audit-log").json["entries"])


@pytest.mark.parametrize("host", HOSTS)
def test_a_push_to_the_followed_branch_is_accepted_and_recorded(asked: Asked, host: str) -> None:
    answer = send(host, *HOSTS[host]("refs/heads/main"))
    assert (answer.status, answer.json["accepted"], asked.times) == (202, True, 1)
    (entry,) = entries()
    assert (entry["who"], entry["door"], entry["act"], entry["subject"], entry["outcome"]) == (
        host.split(maxsplit=1)[0],
        "hook",
        "sync",
        "main",
        "done",
    )
    assert entry["reason"] == f"push of {SHA[:12]}"
    assert entry["effect"]["text"] == f"{SHA[:7]} was not activated"


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    ("ref", "after", "said"),
    [
        ("refs/heads/feature/main", SHA, "refs/heads/feature/main"),
        ("refs/heads/mainline", SHA, "follows main"),
        ("refs/tags/main", SHA, "refs/tags/main"),
        ("refs/heads/main", NOTHING, "the deletion of refs/heads/main"),
    ],
)
def test_another_branch_a_tag_of_that_name_and_a_deletion_are_ignored_by_name(
    asked: Asked, host: str, ref: str, after: str, said: str
) -> None:
    answer = send(host, *HOSTS[host](ref, after))
    assert (answer.status, answer.json["accepted"], asked.times) == (200, False, 0)
    assert said in answer.json["message"]
    assert entries() == []


@pytest.mark.parametrize(
    ("host", "headers", "payload", "said"),
    [
        ("github", {"X-GitHub-Event": "ping"}, {"zen": "Keep it.", "hook_id": 1}, "ping"),
        ("github", {"X-GitHub-Event": "create"}, {"ref": "main", "ref_type": "branch"}, "create"),
        ("gitlab", {"X-Gitlab-Event": "Issue Hook"}, {"object_kind": "issue"}, "issue hook"),
        ("gitlab", {"X-Gitlab-Event": "System Hook"}, {"event_name": "project_create"}, "not a push"),
        ("bitbucket", {"X-Event-Key": "diagnostics:ping"}, {"test": True}, "diagnostics:ping"),
        ("bitbucket", {"X-Event-Key": "repo:push"}, {"push": {"changes": []}}, "no ref"),
        ("github", {}, {"hello": 1}, "not a push"),
    ],
)
def test_a_ping_and_other_events_are_ignored_by_name(
    asked: Asked, host: str, headers: dict[str, str], payload: Any, said: str
) -> None:
    answer = send(host, headers, payload)
    assert (answer.status, asked.times) == (200, 0)
    assert said in answer.json["message"]


def test_a_push_of_several_refs_counts_if_one_is_the_branch(asked: Asked) -> None:
    headers, payload = of_bitbucket_data_center("refs/heads/other")
    payload["changes"] += of_bitbucket_data_center("refs/heads/main")[1]["changes"]
    assert (send("bitbucket", headers, payload).status, asked.times) == (202, 1)


def test_a_form_of_github_is_read_too(asked: Asked) -> None:
    headers, payload = of_github("refs/heads/main")
    body = urlencode({"payload": json.dumps(payload)}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded", **headers, **signed("github", body)}
    assert Client().ask("POST", "/hooks/git", body, form).status == 202
    empty = signed("github", b"a=1")
    assert Client().ask("POST", "/hooks/git", b"a=1", form | empty).status == 400
    assert asked.times == 1


@pytest.mark.parametrize("host", HOSTS)
def test_a_wrong_secret_a_changed_body_and_no_signature_are_401(asked: Asked, host: str) -> None:
    headers, payload = HOSTS[host]("refs/heads/main")
    assert send(host, headers, payload, secret="another").status == 401
    body = json.dumps(payload).encode()
    assert Client().ask("POST", "/hooks/git", body, headers).status == 401
    if host != "gitlab":  # its token proves nothing of the body
        changed = Client().ask("POST", "/hooks/git", body + b" ", headers | signed(host, body))
        assert changed.status == 401
    assert asked.times == 0
    assert entries() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256="},
        {"X-Hub-Signature": "sha1=" + hmac.new(SECRET.encode(), b"{}", hashlib.sha1).hexdigest()},
        {"X-Gitlab-Token": ""},
        {"X-Gitlab-Token": SECRET[:-1]},
        {"Authorization": "Bearer read-token-1"},
    ],
)
def test_half_a_proof_is_none(asked: Asked, headers: dict[str, str]) -> None:
    answer = Client().ask("POST", "/hooks/git", b"{}", headers)
    assert (answer.status, asked.times) == (401, 0)
    assert SECRET not in answer.body


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"\xff", b"null", b"[" * 100_000])
def test_a_body_that_is_no_object_is_400_if_it_is_signed(asked: Asked, body: bytes) -> None:
    headers = {"X-GitHub-Event": "push", "Content-Type": "application/json", **signed("github", body)}
    assert Client().ask("POST", "/hooks/git", body, headers).status == 400


def test_a_ref_that_is_no_text_is_400(asked: Asked) -> None:
    odd = {"X-Event-Key": "repo:refs_changed"}, {"changes": [{"ref": {"id": 5}}]}
    assert send("github", *of_github("\ud800")).status == 400
    assert send("bitbucket", *odd).status == 400
    assert asked.times == 0


def test_a_push_whose_payload_is_of_another_shape_is_400(asked: Asked) -> None:
    for host, headers, payload in (
        ("github", {"X-GitHub-Event": "push"}, {"ref": 1}),
        ("bitbucket", {"X-Event-Key": "repo:push"}, {"push": None}),
        ("bitbucket", {"X-Event-Key": "repo:push"}, {"push": {"changes": [{"new": None, "old": None}]}}),
        ("bitbucket", {"X-Event-Key": "repo:refs_changed"}, {"changes": [{}]}),
    ):
        assert send(host, headers, payload).status == 400, payload
    assert asked.times == 0


def test_without_a_secret_there_is_no_such_route(build: Build) -> None:
    build(**CONFIGURED | {"SAURON_GIT_WEBHOOK_SECRET": ""})
    answer = send("github", *of_github("refs/heads/main"))
    assert answer.status == 404
    assert "SAURON_GIT_WEBHOOK_SECRET" in answer.problem["detail"]


def test_many_wrong_signatures_of_one_address_get_429_and_a_right_one_is_let_in(asked: Asked) -> None:
    headers, payload = of_github("refs/heads/main")
    wrong = [send("github", headers, payload, secret="guess").status for _ in range(101)]
    assert wrong == [401] * 100 + [429]
    assert send("github", headers, payload).status == 202


def pin(sauron: Sauron, **columns: Any) -> None:
    with sauron.store.write() as tx:
        bundle.change(tx, **columns)


def test_a_push_lets_no_pin_go_and_says_so(asked: Asked) -> None:
    pin(wiring.PROCESS.get(), pinned_ref="v1")
    answer = send("github", *of_github("refs/heads/main"))
    assert (answer.status, asked.times) == (200, 0)
    assert "pinned to v1" in answer.json["message"]
    pin(wiring.PROCESS.get(), pinned_ref="fix")  # a branch: its pushes count
    assert send("github", *of_github("refs/heads/fix")).status == 202
    pin(wiring.PROCESS.get(), pinned_ref="refs/heads/fix")
    assert send("github", *of_github("refs/heads/fix")).status == 202


@pytest.mark.parametrize(
    ("found", "branch", "status"),
    [
        (None, "anything", 202),  # before the first sync nobody knows
        ("trunk", "trunk", 202),
        ("trunk", "main", 202),  # from now on there is a main, and it goes first
        ("trunk", "other", 200),
        ("main", "trunk", 200),
    ],
)
def test_without_a_configured_branch_what_the_sync_found_counts(
    build: Build, clock: ManualClock, found: str | None, branch: str, status: int
) -> None:
    made = build(**CONFIGURED | {"JOBS_GIT_BRANCH": ""})
    wiring.PROCESS.set(dataclasses.replace(made, pushed_syncs=Asked()))
    pin(made, branch=found)
    assert send("github", *of_github(f"refs/heads/{branch}")).status == status


def test_without_a_bundle_a_push_is_ignored(build: Build) -> None:
    build(**CONFIGURED | {"JOBS_GIT_REPO_URL": ""})
    answer = send("github", *of_github("refs/heads/main"))
    assert (answer.status, "JOBS_GIT_REPO_URL" in answer.json["message"]) == (200, True)


def test_only_this_route_takes_a_long_body(asked: Asked) -> None:
    headers, payload = of_github("refs/heads/main", commits=["x" * (1 << 20)])
    assert send("github", headers, payload).status == 202
    assert Client().ask("POST", "/sync", b"x" * (1 << 20)).status == 413
    assert send("github", headers, b"x" * (25 << 20) + b"x").status == 413


def test_what_a_push_names_as_its_commit_is_kept_only_if_it_is_one(asked: Asked) -> None:
    assert send("github", *of_github("refs/heads/main", "an <i>id</i>")).status == 202
    assert entries()[0]["effect"] is None


def test_a_push_after_which_no_sync_can_be_started_has_come_to_nothing(asked: Asked) -> None:
    class Nobody:
        def ask(self) -> None:
            raise BundleError("The sync cannot be started.")

    wiring.PROCESS.set(dataclasses.replace(wiring.PROCESS.get(), pushed_syncs=Nobody()))
    assert send("github", *of_github("refs/heads/main")).status >= 400
    (entry,) = entries()
    assert (entry["outcome"], entry["effect"]) == ("refused", None)
    with wiring.PROCESS.get().store.read() as tx:
        assert audit_log.entries(tx, limit=1)[0].result is None
