from zerg.jobs.ops_db import get_scheduler_name
from zerg.shared.email import send_digest_email


async def daily():
    message_id = send_digest_email("Digest", "All quiet")
    print("scheduler", get_scheduler_name(), "mail", message_id)
    return {"status": "success", "summary": "sent" if message_id else "no mail configured"}


async def weekly():
    return {"status": "success"}
