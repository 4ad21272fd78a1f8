"""`zerg.shared.email`, as older bundles import it."""

from sauron_jobs_loader.toolkit.email import send_alert_email, send_digest_email, send_email

__all__ = ["send_alert_email", "send_digest_email", "send_email"]
