"""What happened last week, by mail."""

import os
from pathlib import Path

from sauron_jobs_loader.toolkit.email import send_digest_email


def run():
    folder = Path(os.environ.get("BACKUP_FOLDER", "/srv/backup"))
    lines = [f"{file.name}: {file.stat().st_size >> 20} MB" for file in sorted(folder.glob("*.dump"))[-7:]]
    text = "\n".join(lines) or "no backups"
    sent = send_digest_email("Backups of the week", text, f"<pre>{text}</pre>")
    return {"status": "success" if sent else "degraded", "summary": f"{len(lines)} backups"}
