"""Tells its secret in every way it can: what must not be found anywhere afterwards."""

import base64
import json
import sys
import time
import urllib.parse
from pathlib import Path

from sauron_jobs_loader import JobContext
from sauron_jobs_loader.context import StateError
from sauron_jobs_loader.toolkit.email import send_alert_email


def run(ctx: JobContext):
    token = ctx.require_secret("OPS_TOKEN")
    print("plain", token)
    print("base64", base64.b64encode(token.encode()).decode())
    print("inside base64", base64.b64encode(f"user:{token}:more".encode()).decode())
    print("url", "https://example.test/?t=" + urllib.parse.quote_plus(token))
    print("json", json.dumps({"token": token}))
    for letter in f"split {token} over writes\n":
        sys.stdout.write(letter)
        sys.stdout.flush()
    ctx.log.error("logged %s", token)
    ctx.progress(0.5, f"with {token}")
    try:
        ctx.state["token"] = token
    except StateError as error:
        print("state refused it:", error)
    print("mailed:", send_alert_email(f"leak of {token}", f"it is {token}", f"<b>{token}</b>"))
    while not Path(ctx.params["go"]).exists():
        time.sleep(0.02)
    if ctx.params.get("returns"):
        return {"status": "failed", "error": f"returned {token}", "summary": token, token: [token]}
    raise RuntimeError(f"raised with {token}")
