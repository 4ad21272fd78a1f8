from __future__ import annotations

import re

from chalicelib.wiring import Sauron
from tests.unit.api.client import Client


def acts(page: str) -> list[str]:
    return re.findall(r"<td>(enable|disable|trigger|sync)\b", page)


def test_acts_are_listed_with_who_why_and_what_was_refused(sauron: Sauron, client: Client) -> None:
    assert "Nobody has done anything yet." in client.get("/ui/audit").body
    client.post("/jobs/nightly-backup/disable", {"reason": "the <b>disks</b> move"})
    client.post("/ui/jobs/nightly-backup/enable")
    client.post("/jobs/digest/trigger")
    page = client.get("/ui/audit").body
    assert acts(page) == ["trigger", "enable", "disable"]
    assert "the &lt;b&gt;disks&lt;/b&gt; move" in page
    assert "refused" in page
    assert "by page" in page
    assert acts(client.get("/ui/audit?subject=digest").body) == ["trigger"]
    assert acts(client.get("/ui/audit?door=page").body) == ["enable"]
    assert acts(client.get("/ui/audit?outcome=refused").body) == ["trigger"]
    assert "No act matches." in client.get("/ui/audit?who=ann").body


def test_many_acts_are_paged(sauron: Sauron, client: Client) -> None:
    for _ in range(51):
        client.post("/jobs/nightly-backup/disable")
    page = client.get("/ui/audit").body
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following
    assert (len(acts(page)), len(acts(client.get(f"/ui/audit{following[1]}").body))) == (50, 1)
