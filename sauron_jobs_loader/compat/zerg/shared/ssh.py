"""`zerg.shared.ssh`, as older bundles import it."""

from sauron_jobs_loader.toolkit.ssh import SSHResult, run_ssh_command, test_ssh_connection

__all__ = ["SSHResult", "run_ssh_command", "test_ssh_connection"]
