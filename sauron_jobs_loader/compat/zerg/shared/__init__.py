"""`zerg.shared`, as older bundles import it."""

from .email import send_alert_email, send_digest_email, send_email
from .ssh import SSHResult, run_ssh_command, test_ssh_connection

__all__ = [
    "SSHResult",
    "run_ssh_command",
    "send_alert_email",
    "send_digest_email",
    "send_email",
    "test_ssh_connection",
]
