from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from chalice.local import LambdaContext
from sqlalchemy import func, select

import app as application
from chalicelib.store import audit_log, sessions
from chalicelib.store.schema import ended_sessions
from chalicelib.wiring import Sauron
from tests.conftest import ManualClock, define
from tests.unit.api.client import Answer, Client, basic, bearer
from tests.unit.api.conftest import Build

HTML = {"Accept": "text/html,application/xhtml+xml"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
READ, OPERATE = "read-token-of-wall-1", "operate-token-of-laptop-1"
TOKENS = f"wall:read:{READ},laptop:operate:{OPERATE}"


@pytest.fixture
def guarded(build: Build, clock: ManualClock) -> Sauron:
    made = build(SAURON_API_TOKENS=TOKENS)
    define(made.store, clock, "backup", "0 3 * * *")
    return made


def send(token: str, *, following: str = "/", **headers: str) -> Answer:
    """Send the form of the sign-in page."""
    body = f"token={quote(token)}&next={quote(following, safe='')}".encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client().ask("POST", "/ui/sign-in", body, HTML | FORM | sent)


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def signed_in(token: str = OPERATE) -> Client:
    return Client(HTML | {"Cookie": cookie_of(send(token))})


def acts(sauron: Sauron) -> list[tuple[str, str, str, str]]:
    with sauron.store.read() as tx:
        found = audit_log.entries(tx, limit=20)
    return [(one.who, str(one.door), one.act, str(one.outcome)) for one in found]


def test_a_copy_of_a_cookie_counts_no_more_after_its_sign_out(guarded: Sauron, clock: ManualClock) -> None:
    browser = signed_in()
    clock.move(seconds=1)
    other = signed_in()
    copy = Client(browser.headers)
    assert copy.get("/").status == 200
    assert browser.ask("POST", "/ui/sign-out", b"", FORM).status == 303
    assert copy.get("/").status == 303
    assert copy.ask("POST", "/ui/jobs/backup/disable", b"confirm=yes", FORM).status == 401
    assert other.get("/").status == 200
    assert signed_in().get("/").status == 200
    clock.move(days=7)
    with guarded.store.write() as tx:
        assert tx.execute(select(func.count()).select_from(ended_sessions)).scalar() == 1
        sessions.prune(tx, before=clock.now())
        assert tx.execute(select(func.count()).select_from(ended_sessions)).scalar() == 0


def test_a_browser_without_credentials_is_led_to_the_sign_in_and_back(guarded: Sauron) -> None:
    for path in ("/", "/ui/jobs?q=disk&tag=a%26b", "/ui/jobs/backup", "/ui/next", "/ui/audit"):
        led = Client().get(path, **HTML)
        assert led.status == 303
        assert led.headers["location"].startswith("/ui/sign-in?next=")
        assert (
            f'name="next" value="{path.replace("&", "&amp;")}"'
            in Client().get(led.headers["location"], **HTML).body
        )
        assert send(OPERATE, following=path).headers["location"] == path
    assert Client().ask("HEAD", "/ui/jobs", headers=HTML).status == 303


def test_what_is_no_browser_s_get_of_a_page_is_not_led_anywhere(guarded: Sauron) -> None:
    assert Client().get("/").status == 401
    assert Client().get("/jobs", **HTML).status == 401
    assert Client({"Authorization": "Basic ###"}).get("/", **HTML).status == 401
    posted = Client().ask("POST", "/ui/jobs/backup/disable", b"", HTML | FORM)
    assert posted.status == 401
    assert "Nothing was done." in posted.body
    assert 'href="/ui/sign-in"' in posted.body
    assert not posted.headers["www-authenticate"].startswith("Basic")  # no window over the page


def test_a_right_token_gives_one_cookie_that_shows_the_pages_and_not_the_token(guarded: Sauron) -> None:
    answer = send(OPERATE)
    parts = answer.headers["set-cookie"].split("; ")
    assert answer.status == 303
    assert parts[1:] == ["Path=/", f"Max-Age={7 * 24 * 3600}", "HttpOnly", "SameSite=Strict"]
    assert OPERATE not in answer.headers["set-cookie"] + answer.body
    page = signed_in().get("/")
    assert page.status == 200
    assert "<b>laptop</b>, operate" in page.body
    assert "Sign out" in page.body


def test_the_cookie_counts_for_pages_alone(guarded: Sauron) -> None:
    client = signed_in()
    for method, path in (
        ("GET", "/jobs"),
        ("POST", "/jobs/backup/disable"),
        ("POST", "/sync"),
        ("POST", "/mcp"),
    ):
        assert client.ask(method, path).status == 401, path


@pytest.mark.parametrize(
    ("environ", "sent", "secure", "path"),
    [
        ({}, {}, False, "/"),
        ({}, {"Origin": "http://sauron:8080"}, False, "/"),
        ({}, {"Origin": "https://sauron:8080"}, True, "/"),
        ({}, {"X_Forwarded_Proto": "https"}, True, "/"),
        ({"SAURON_PUBLIC_URL": "https://ops.test"}, {}, True, "/"),
        ({"SAURON_PUBLIC_URL": "https://ops.test/tools/sauron/"}, {}, True, "/tools/sauron"),
        ({"SAURON_PUBLIC_URL": "http://ops.test/sauron"}, {}, False, "/sauron"),
        ({"AWS_LAMBDA_FUNCTION_NAME": "sauron-prod"}, {}, True, "/"),
    ],
)
def test_the_cookie_is_secure_over_https_and_has_the_path_of_the_pages(
    build: Build, environ: dict[str, str], sent: dict[str, str], secure: bool, path: str
) -> None:
    build(SAURON_API_TOKENS=TOKENS, **environ)
    answer = send(OPERATE, following="/ui/jobs", **sent)
    parts = answer.headers["set-cookie"].split("; ")
    assert ("Secure" in parts, parts[1]) == (secure, f"Path={path}")
    assert answer.headers["location"] == f"{path.rstrip('/')}/ui/jobs"


def test_a_cookie_ends_and_is_taken_away(guarded: Sauron, clock: ManualClock) -> None:
    client = signed_in()
    clock.move(days=6, hours=23)
    assert client.get("/").status == 200
    clock.move(hours=2)
    led = client.get("/")
    assert led.status == 303
    assert "sauron_session=; Path=/; Max-Age=0" in led.headers["set-cookie"]


def test_a_cookie_ends_with_its_token(build: Build) -> None:
    build(SAURON_API_TOKENS=TOKENS)
    client = signed_in()
    for tokens, counts in (
        (TOKENS, True),
        (f"{TOKENS},more:read:one-more-token-1", True),
        (f"wall:read:{READ}", False),
        (f"laptop:operate:{OPERATE}x", False),
        (f"laptop:trigger:{OPERATE}", False),
        (f"laptop:admin:{OPERATE}", False),
        (f"desk:operate:{OPERATE}", False),
        (f"laptop:operate:{READ},wall:read:{OPERATE}", False),
    ):
        build(SAURON_API_TOKENS=tokens)  # as another runner, or the same one after a restart
        assert (client.get("/").status == 200) is counts, tokens


def test_a_wrong_token_leads_back_to_the_form_and_names_the_field(guarded: Sauron) -> None:
    for token, status in (("wrong-token", 401), (OPERATE[:-1], 401), (OPERATE.upper(), 401), ("", 422)):
        answer = send(token, following="/ui/jobs")
        assert answer.status == status, token
        assert "Field &#39;token&#39;" in answer.body
        assert 'value="/ui/jobs"' in answer.body
        assert "set-cookie" not in answer.headers
        assert not token or token not in answer.body
        assert not answer.headers.get("www-authenticate", "").startswith("Basic")


def test_guesses_at_the_door_are_counted_with_all_others(guarded: Sauron) -> None:
    for number in range(50):
        assert bearer(f"guess-{number}").get("/jobs").status == 401
    assert {send(f"guess-{number}").status for number in range(50)} == {401}
    told = send("guess-101")
    assert (told.status, told.headers["retry-after"]) == (429, "60")
    assert "Too many wrong tokens" in told.body
    assert send(OPERATE).status == 303


def test_guessed_cookies_are_counted_and_honest_ones_are_not(guarded: Sauron, clock: ManualClock) -> None:
    ended = signed_in()
    clock.move(days=8)
    for _ in range(110):
        assert ended.get("/").status == 303
    forged = Client(HTML | {"Cookie": f"sauron_session=laptop:9999999999:{'A' * 22}:{'A' * 43}"})
    assert [forged.get("/ui/audit").status for _ in range(101)] == [303] * 100 + [429]
    assert signed_in().get("/").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": "http://sauron:8080"},
    ],
)
def test_another_site_signs_nobody_in_or_out(guarded: Sauron, headers: dict[str, str]) -> None:
    answer = send(OPERATE, **headers)
    assert (answer.status, "set-cookie" in answer.headers) == (403, False)
    out = signed_in().ask("POST", "/ui/sign-out", None, {k.replace("_", "-"): v for k, v in headers.items()})
    assert (out.status, "set-cookie" in out.headers) == (403, False)


def test_signing_out_takes_the_cookie_away(guarded: Sauron) -> None:
    answer = signed_in().ask("POST", "/ui/sign-out")
    assert (answer.status, answer.headers["location"]) == (303, "/ui/sign-in?did=signed-out")
    assert answer.headers["set-cookie"].startswith("sauron_session=; Path=/; Max-Age=0; HttpOnly")
    assert "You are signed out." in Client().get(answer.headers["location"], **HTML).body
    assert Client().ask("POST", "/ui/sign-out").status == 303  # whose cookie has ended meanwhile


def test_signing_in_and_out_and_what_is_done_by_cookie_stand_in_the_audit_log(guarded: Sauron) -> None:
    send("wrong-token")
    client = signed_in()
    assert client.ask("POST", "/ui/jobs/backup/disable", b"reason=move&confirm=yes", FORM).status == 303
    client.ask("POST", "/ui/sign-out")
    assert acts(guarded) == [
        ("laptop", "page", "sign_out", "done"),
        ("laptop", "page", "disable", "done"),
        ("laptop", "page", "sign_in", "done"),
        ("anonymous", "page", "sign_in", "refused"),
    ]
    assert bearer(READ).get("/jobs/backup").json["override"]["by"] == "laptop"


def test_an_open_api_needs_no_sign_in_and_the_page_says_so(sauron: Sauron) -> None:
    page = Client().get("/ui/sign-in?next=%2Fui%2Fjobs", **HTML)
    assert page.status == 200
    assert "Nobody needs to" in page.body
    assert 'href="/ui/jobs"' in page.body
    answer = send("anything", following="/ui/jobs")
    assert (answer.status, answer.headers["location"], "set-cookie" in answer.headers) == (
        303,
        "/ui/jobs",
        False,
    )


def test_on_aws_without_tokens_there_is_no_door(build: Build) -> None:
    build(AWS_LAMBDA_FUNCTION_NAME="sauron-prod")
    for method, path in (
        ("GET", "/"),
        ("GET", "/ui/sign-in"),
        ("POST", "/ui/sign-in"),
        ("POST", "/ui/sign-out"),
    ):
        answer = Client().ask(method, path, headers=HTML)
        assert answer.status == 401, path
        assert "SAURON_API_TOKENS" in answer.body


def test_scripts_still_use_basic_which_decides_alone(guarded: Sauron) -> None:
    assert basic(READ).get("/ui/jobs").status == 200
    both = Client({"Cookie": cookie_of(send(OPERATE)), **basic("wrong-token").headers})
    assert both.get("/ui/jobs", **HTML).status == 401


def test_a_link_from_a_mail_asks_again_from_here_once(guarded: Sauron) -> None:
    """Browsers hold a strict cookie back when another site leads here."""
    led = Client(HTML | {"Sec-Fetch-Site": "cross-site"}).get("/ui/jobs/backup").headers["location"]
    page = Client(HTML | {"Sec-Fetch-Site": "cross-site"}).get(led)
    assert 'http-equiv="refresh" content="0; url=/ui/jobs/backup"' in page.body
    assert (
        "refresh"
        not in Client(HTML | {"Sec-Fetch-Site": "same-origin"}).get(led).body.partition("</head>")[0]
    )


def test_the_sign_in_page_tells_strangers_nothing_of_the_machine(guarded: Sauron) -> None:
    page = Client().get("/ui/sign-in", **HTML).body
    for hidden in ("laptop", "wall", str(guarded.settings.jobs_dir), "/ui/jobs", "<nav"):
        assert hidden not in page, hidden
    assert re.search(r'<input id="token" name="token" type="password"', page)


@pytest.mark.parametrize("place", ["//evil.test", "/\\evil.test", "https://evil.test/", "/ui/..//evil.test"])
def test_a_sign_in_leads_to_our_own_pages_alone(guarded: Sauron, place: str) -> None:
    assert send(OPERATE, following=place).headers["location"] == "/"
    for client in (Client(HTML | {"Sec-Fetch-Site": "cross-site"}), signed_in()):
        assert "evil.test" not in client.get(f"/ui/sign-in?next={quote(place, safe='')}").body


def test_behind_api_gateway_the_way_to_the_sign_in_and_its_cookie_have_the_stage(build: Build) -> None:
    build(SAURON_API_TOKENS=TOKENS, AWS_LAMBDA_FUNCTION_NAME="sauron-prod")

    def call(method: str, path: str, body: str = "") -> dict[str, str]:
        place = {"httpMethod": method, "resourcePath": path, "path": f"/api{path}"}
        event = {
            "requestContext": place | {"identity": {"sourceIp": "192.0.2.7"}},
            "headers": {name.lower(): value for name, value in (HTML | FORM).items()},
            "pathParameters": {},
            "multiValueQueryStringParameters": {"q": ["a b", "c"]} if method == "GET" else None,
            "stageVariables": {},
            "body": body,
        }
        said = application.app(event, LambdaContext("api", 128))
        assert said["statusCode"] == 303
        return {name.lower(): value for name, value in said["headers"].items()}

    led = call("GET", "/ui/jobs")["location"]
    assert led == "/api/ui/sign-in?next=%2Fui%2Fjobs%3Fq%3Da%2Bb%26q%3Dc"
    got = call("POST", "/ui/sign-in", f"token={OPERATE}&next=%2Fui%2Fjobs")
    assert got["location"] == "/api/ui/jobs"
    assert got["set-cookie"].split("; ")[1] == "Path=/api"
