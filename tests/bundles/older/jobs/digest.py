from zerg.jobs.context import JobContext
from zerg.shared import send_alert_email, send_digest_email, send_email


async def run(ctx: JobContext):
    sent = [
        send_email("subject", "body", to_email=ctx.require_secret("DIGEST_EMAIL")),
        send_digest_email("Daily digest", html="<p>hello</p>"),
        send_alert_email("It broke", "really", level="CRITICAL"),
    ]
    return {"status": "success", "sent": sent, "token": ctx.get_secret("API_TOKEN")}
