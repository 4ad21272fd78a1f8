"""/hooks/git: a git host says that something was pushed, and the bundle is synced at once.

A request needs no token but proof of the secret in SAURON_GIT_WEBHOOK_SECRET: an HMAC-SHA256 of the body
(GitHub, Gitea, Forgejo and Bitbucket) or the secret itself (GitLab). Nothing of a body is read before that.
What is fetched comes from the configured repository alone, so a body decides only whether a sync starts. Only
the branch counts: a webhook of a whole organisation may cost a sync that finds nothing new, never a push.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from chalice.app import Blueprint, Request, Response

from chalicelib.model import pushes
from chalicelib.model.acts import Door
from chalicelib.model.pushes import BRANCH, PUSH_EVENTS, Change
from chalicelib.operations import acts
from chalicelib.settings import Settings
from chalicelib.store import bundle

from .auth import refuse_many
from .client_network import client_address
from .content import PUSH_ROUTE, content_type
from .problems import ProblemError
from .routing import as_json, current_request, post

blueprint = Blueprint(__name__)

# Hosts that send the first sign as well, with a SHA-1, send the second one too.
_SIGNATURES = ("x-hub-signature-256", "x-hub-signature")
_PREFIX = "sha256="
_COMMIT = re.compile("[0-9a-f]{40}")


@post(
    blueprint,
    PUSH_ROUTE,
    returns="PushTaken",
    status=202,
    also={200: "PushTaken"},
    refuses=(400, 401, 404, 429, 503),
)
def push() -> Response:
    """Start a sync and return 202 if the followed branch was pushed; else 200 with what was ignored."""
    current = current_request()
    settings = current.sauron.settings
    _verify(current.request, settings.git_webhook_secret)
    host, event = pushes.sender(current.request.headers)
    payload = _payload(current.request)
    if event is not None and event not in PUSH_EVENTS:
        return _ignored(f"The event {event:.80} is not a push.")
    try:
        found = pushes.changes(payload)
    except ValueError as error:
        if event is None or event == "system hook":
            return _ignored("This is not a push.")
        raise ProblemError(400, f"The body is not what {host} sends for a push: {error}.") from None
    if settings.jobs_git_repo_url is None:
        return _ignored("No bundle is configured: JOBS_GIT_REPO_URL is not set.")
    with current.sauron.store.read() as tx:
        state = bundle.state(tx)
    wanted = (
        {state.pinned_ref.removeprefix(BRANCH)} if state.pinned_ref else _followed(settings, state.branch)
    )
    hit = next((one for one in found if _moves(one, wanted)), None)
    if hit is None:
        return _ignored(_why_ignored(found, wanted, pinned=state.pinned_ref))
    log = current.sauron.audit_log
    reason = f"push of {hit.sha[:12]}" if hit.sha else "push"
    address = client_address(current.request)
    with log.recording(log.begin(host, Door.HOOK, "sync", str(hit.branch), reason=reason, address=address)):
        if hit.sha and _COMMIT.fullmatch(hit.sha):
            acts.led_to(pushed=hit.sha)
        current.sauron.pushed_syncs.ask()
    return as_json({"accepted": True, "message": f"The sync of branch {hit.branch} is starting."}, status=202)


def _verify(request: Request, secret: str | None) -> None:
    """Raise ProblemError unless a request proves the secret: 404 without one, 401, 429."""
    if secret is None:
        raise ProblemError(
            404,
            "No secret is configured for pushes. Set SAURON_GIT_WEBHOOK_SECRET, here and at the git host.",
        )
    headers = request.headers
    if (token := headers.get("x-gitlab-token")) is not None:
        right = hmac.compare_digest(token.encode("utf-8", "replace"), secret.encode())
    else:
        sent = next((headers[name] for name in _SIGNATURES if name in headers), None)
        if sent is None:
            raise ProblemError(
                401,
                "The request is not signed. Give the git host the secret of SAURON_GIT_WEBHOOK_SECRET; it "
                "then sends X-Hub-Signature-256, X-Hub-Signature or X-Gitlab-Token.",
            )
        digest = hmac.new(secret.encode(), _raw(request), hashlib.sha256).hexdigest()
        right = hmac.compare_digest(sent.strip().encode("utf-8", "replace"), f"{_PREFIX}{digest}".encode())
    if not right:
        refuse_many(request)
        raise ProblemError(
            401,
            "The signature or token is wrong. The secret at the git host must be that of "
            "SAURON_GIT_WEBHOOK_SECRET, and the body must arrive unchanged, signed with SHA-256.",
        )


def _payload(request: Request) -> dict[str, Any]:
    """Return the JSON object that a host sends, bare or as the field `payload` of a form."""
    try:
        text = _raw(request).decode("utf-8")
        if content_type(request) == "application/x-www-form-urlencoded":
            text = (parse_qs(text, max_num_fields=10).get("payload") or [""])[0]
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProblemError(400, "The body is not a JSON object. Choose JSON as the content type at the host.")
    return value


def _raw(request: Request) -> bytes:
    """Return the body as it was sent: what a host signs."""
    raw = request.raw_body or b""
    return raw.encode() if isinstance(raw, str) else raw


def _followed(settings: Settings, found: str | None) -> set[str]:
    """Return the branches whose push may change the bundle; none are known before the first sync."""
    if settings.jobs_git_branch is not None:
        return {settings.jobs_git_branch.removeprefix(BRANCH)}
    return {found, "main"} if found else set()


def _moves(change: Change, wanted: set[str]) -> bool:
    branch = change.branch
    return branch is not None and not change.deleted and (not wanted or branch in wanted)


def _why_ignored(found: list[Change], wanted: set[str], *, pinned: str | None) -> str:
    what = ", ".join(f"{'the deletion of ' if one.deleted else ''}{one.ref:.200}" for one in found[:5])
    if not found:
        return "The push names no ref."
    if pinned:
        return f"Ignored {what}: the bundle is pinned to {pinned} until a POST /sync without `ref`."
    return f"Ignored {what}: the bundle follows {', '.join(sorted(wanted)) or 'a branch'}."


def _ignored(why: str) -> Response:
    body: Mapping[str, Any] = {"accepted": False, "message": why}
    return as_json(body)
