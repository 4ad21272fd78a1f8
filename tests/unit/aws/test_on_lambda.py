"""What only Lambda has: settings in SSM, a sync by another function, a process frozen between calls."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from chalicelib.aws import ssm as parameters
from chalicelib.bundle.job_environment import JobEnvironment
from chalicelib.bundle.remote_sync import RemoteBundle
from chalicelib.errors import BundleError, SettingsError, UnknownRefError, UnknownRevisionError
from chalicelib.model.jobs import JobSpec
from chalicelib.settings import Settings
from chalicelib.store import Store
from chalicelib.store.postgres.server_clock import ServerClock
from tests.conftest import ManualClock, job_record
from tests.http_receiver import Answer, Receiver, receive

pytestmark = pytest.mark.slow  # each loads what botocore knows of a service
DETAIL = {"act": "sync", "ref": "main", "accept_removals": False, "by": "jarvis"}


@pytest.fixture(autouse=True)
def _region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DEFAULT_REGION": "us-east-1",
        "ACCESS_KEY_ID": "test",
        "SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    yield
    server.stop()


PATH = "/sauron/many"  # of this test alone: the servers of one process share what they hold


def test_parameters_below_the_path_stand_for_variables_however_many_there_are(ssm: None) -> None:
    import boto3

    client = boto3.client("ssm")
    wanted = {f"JOB_SECRET_{number}": f"value {number}" for number in range(25)}
    for name, value in wanted.items():
        client.put_parameter(Name=f"{PATH}/{name}", Value=value, Type="SecureString")
    client.put_parameter(
        Name="/sauron/many-of-another-stage/JOB_SECRET_1", Value="of another stage", Type="SecureString"
    )
    client.put_parameter(Name=f"{PATH}/deeper/JOB_SECRET_1", Value="of a folder below", Type="SecureString")
    client.put_parameter(Name="/sauron/more/ANOTHER", Value="of another path", Type="SecureString")
    assert parameters.read([PATH]) == wanted
    assert parameters.read([PATH, "/sauron/more"]) == wanted | {"ANOTHER": "of another path"}


def test_parameters_that_cannot_be_read_name_the_setting_and_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(SettingsError, match="SAURON_SSM_PATH: the parameters below /sauron/prod/api "):
        parameters.read(["/sauron/prod/api"])


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    report = {
        "success": True,
        "message": "well",
        "sha": "a" * 40,
        "jobs_added": ["x"],
        "jobs_removed": [],
        "fault": None,
    }
    with receive(Answer(200, json.dumps(report))) as receiver:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", receiver.url)
        yield receiver


def test_a_sync_is_asked_of_the_sync_function_in_the_words_of_its_rule(function: Receiver) -> None:
    report = RemoteBundle("sauron-prod", ManualClock()).sync(ref="main", by="jarvis")
    assert (report.success, report.message, report.jobs_added) == (True, "well", ("x",))
    (asked,) = function.asked
    assert asked.path == "/2015-03-31/functions/sauron-prod-sync/invocations"
    event = json.loads(asked.body)
    assert event["detail"] == DETAIL
    assert event["detail-type"] == "Scheduled Event"


def test_a_push_asks_the_sync_function_without_waiting_for_its_end(function: Receiver) -> None:
    function.answers[:] = [Answer(202, "")]
    RemoteBundle("sauron-prod", ManualClock()).ask()
    (asked,) = function.asked
    assert asked.headers["X-Amz-Invocation-Type"] == "Event"
    assert json.loads(asked.body)["detail"] == {"act": "push"}
    function.answers[:] = [Answer(500, "")]
    with pytest.raises(BundleError, match="cannot be called"):
        RemoteBundle("sauron-prod", ManualClock()).ask()


def test_a_sync_that_takes_long_is_answered_as_still_running(function: Receiver) -> None:
    function.answers[:] = [Answer(-1)]
    report = RemoteBundle("sauron-prod", ManualClock(), wait_seconds=0.2).sync()
    assert (report.success, report.message) == (False, "still running")
    assert len(function.asked) == 1


def test_a_sync_function_that_breaks_is_told_as_a_fault_of_the_bundle(function: Receiver) -> None:
    function.answers[:] = [Answer(200, '{"errorMessage": "no"}', {"X-Amz-Function-Error": "Unhandled"})]
    with pytest.raises(BundleError, match="sauron-prod-sync failed"):
        RemoteBundle("sauron-prod", ManualClock()).sync()


def test_a_rollback_to_nothing_is_refused_as_everywhere(function: Receiver) -> None:
    function.answers[:] = [Answer(200, '{"unknown_revision": "abc"}')]
    with pytest.raises(UnknownRevisionError):
        RemoteBundle("sauron-prod", ManualClock()).rollback("abc")


def test_a_candidate_is_asked_of_the_sync_function(function: Receiver) -> None:
    said = {"to": "a" * 40, "jobs": [job_record("a")], "rejected": [], "remarks": [], "fault": None}
    function.answers[:] = [Answer(200, json.dumps(said))]
    candidate = RemoteBundle("sauron-prod", ManualClock()).candidate("main")
    assert (candidate.to, [one["id"] for one in candidate.jobs]) == ("a" * 40, ["a"])
    assert json.loads(function.asked[0].body)["detail"] == {"act": "candidate", "ref": "main"}


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (Answer(200, '{"unknown_ref": "no branch <ref>"}'), UnknownRefError, "no branch <ref>"),
        (Answer(200, '{"failed": "no such host"}'), BundleError, "no such host"),
        (Answer(-1), BundleError, "Ask again in a minute"),
    ],
)
def test_a_candidate_that_cannot_be_had_says_why(
    answer: Answer, error: type[BundleError], said: str, function: Receiver
) -> None:
    function.answers[:] = [answer]
    with pytest.raises(error, match=said):
        RemoteBundle("sauron-prod", ManualClock(), wait_seconds=0.2).candidate("main")


def test_no_job_of_the_bundle_gets_what_the_functions_role_may(tmp_path: object) -> None:
    role = {
        "AWS_ACCESS_KEY_ID": "AKIAROLE",
        "AWS_SECRET_ACCESS_KEY": "role-secret-key",
        "AWS_SESSION_TOKEN": "role-session",
    }
    function = {"AWS_LAMBDA_FUNCTION_NAME": "sauron-prod-work", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}
    seen = JobEnvironment(Settings.read({"CUSTOM": "1", **function, **role}))
    spec = JobSpec.from_record(job_record("j"))
    assert seen.of(spec)["CUSTOM"] == "1"
    assert not [
        name for name in (*seen.of(spec), *seen.zygote()) if name in role or name.startswith("AWS_LAMBDA_")
    ]
    assert "role-secret-key" not in seen.masker().text("it is role-secret-key")


@pytest.mark.parametrize("store", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_a_process_that_was_frozen_asks_the_server_for_the_time(store: Store) -> None:
    frozen = [0.0]  # seconds that this machine's clock went on by while the process did not
    clock = ServerClock(store, wall=lambda: time.time() + frozen[0])
    before = clock.now()
    asked_before = clock._read_at
    clock.now()
    assert clock._read_at == asked_before
    frozen[0] = 3600.0
    assert timedelta() <= clock.now() - before < timedelta(minutes=1)
    assert clock._read_at > asked_before
