"""`zerg.shared.ssh`, as older bundles import it.

Without `user=` these sign in as root, as they did there; those of `sauron_jobs_loader.toolkit.ssh` sign in as
this account.
"""

from pathlib import Path

from sauron_jobs_loader.toolkit import ssh
from sauron_jobs_loader.toolkit.ssh import SSHResult

SSH_KEY_PATH = Path.home() / ".ssh" / "id_rsa"
DEFAULT_TIMEOUT = 30


def run_ssh_command(host: str, command: str, *, user: str = "root", **how: object) -> SSHResult:
    """Run a command line on a host, as `sauron_jobs_loader.toolkit.ssh.run_ssh_command` does."""
    return ssh.run_ssh_command(host, command, user=user, **how)


def test_ssh_connection(
    host: str,
    user: str = "root",
    port: int = 22,
    timeout: float = 10,
    key_path: Path | None = None,
    **how: object,
) -> bool:
    """Return whether a command can be run on the host."""
    how |= {"port": port, "timeout": timeout, "key_path": key_path}
    return ssh.run_ssh_command(host, "true", user=user, **how).success


test_ssh_connection.__test__ = False  # not a test, in spite of its name

__all__ = ["DEFAULT_TIMEOUT", "SSH_KEY_PATH", "SSHResult", "run_ssh_command", "test_ssh_connection"]
