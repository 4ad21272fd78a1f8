"""Is the newest backup fresh? Asked over ssh through the bastion; mailed only when the answer changes."""

import shlex
import time

from jobs.places import PLACES

from sauron_jobs_loader.toolkit import state
from sauron_jobs_loader.toolkit.email import send_alert_email
from sauron_jobs_loader.toolkit.ssh import run_ssh_command

STALE_AFTER_SECONDS = 26 * 3600


def run():
    place = PLACES["backup"]
    answer = run_ssh_command(
        place["host"],
        f"stat -c %Y {shlex.quote(place['file'])}",
        user=place["user"],
        port=place["port"],
        timeout=30,
        bastion_host=place["bastion"],
    )
    if not answer.success:
        raise RuntimeError(f"the backup host did not answer: {answer.stderr}")
    age = time.time() - int(answer.stdout)
    stale = age > STALE_AFTER_SECONDS
    print(f"the newest backup is {age / 3600:.0f} hours old")
    mailed = None
    if state.changed("stale", stale, first=stale):
        mailed = send_alert_email(
            "Backup is stale" if stale else "Backup is fresh again", f"It is {age / 3600:.0f} hours old."
        )
    return {"status": "degraded" if stale else "ok", "stale": stale, "mailed": mailed is not None}
