"""The names of a stage's resources in AWS, used alike to create, find and remove them."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.settings import SETTINGS

API = "api_handler"
WORK = "work"
SCHEDULED = ("tick", "sync", "upkeep")
HANDLERS = (API, *SCHEDULED, WORK)
API_STAGE = "api"  # the path that API Gateway puts before ours
PUBLIC_URL = "SAURON_PUBLIC_URL"
# Secrets lie in folders by who may read them: IAM tells paths apart, but not the parameters below one.
READERS = {
    "api": (API,),
    "bundle": (API, "sync", WORK),  # that load the bundle or run its jobs
    "shared": HANDLERS,
}
OF_THE_API = frozenset({"SAURON_API_TOKENS", "SAURON_GIT_WEBHOOK_SECRET"})
OF_THE_BUNDLE = frozenset({"JOBS_GIT_TOKEN", "SSH_PRIVATE_KEY_B64", "SAURON_SSH_KNOWN_HOSTS", "GITHUB_TOKEN"})
SHARED = {one.name for one in SETTINGS} - OF_THE_API - OF_THE_BUNDLE


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one stage."""

    stage: str

    @property
    def prefix(self) -> str:
        """The beginning of every name; also the name of the API's function."""
        return f"sauron-{self.stage}"

    @property
    def queue(self) -> str:
        """The queue that runs are dispatched on."""
        return f"{self.prefix}-runs"

    @property
    def dead_queue(self) -> str:
        """The dead-letter queue: messages that were received too often."""
        return f"{self.queue}-dead"

    @property
    def parameters(self) -> str:
        """The path below which the folders with the secrets are."""
        return f"/sauron/{self.stage}"

    def parameter(self, variable: str) -> str:
        """Return the parameter of a setting, or of a secret of jobs."""
        folder = "api" if variable in OF_THE_API else "shared" if variable in SHARED else "bundle"
        return f"{self.parameters}/{folder}/{variable}"

    def readable(self, handler: str) -> tuple[str, ...]:
        """Return the paths of the secrets that a handler's function reads."""
        return tuple(
            f"{self.parameters}/{folder}" for folder, readers in READERS.items() if handler in readers
        )

    @property
    def topic(self) -> str:
        """The topic that alarms are sent to."""
        return f"{self.prefix}-alarms"

    @property
    def layer(self) -> str:
        """The layer of third-party packages that the functions share."""
        return f"{self.prefix}-managed-layer"

    @property
    def functions(self) -> tuple[str, ...]:
        """Every function, in the order of `HANDLERS`."""
        return tuple(self.function(handler) for handler in HANDLERS)

    def function(self, handler: str) -> str:
        """Return the name of a handler's function."""
        return self.prefix if handler == API else f"{self.prefix}-{handler}"

    def role(self, handler: str) -> str:
        """Return the name of the role that a handler runs under."""
        return f"{self.prefix}-{handler}"

    def rule(self, handler: str) -> str:
        """Return the name of the rule that fires a scheduled handler."""
        return f"{self.prefix}-{handler}-event"

    def log_group(self, function: str) -> str:
        """Return the log group of a function."""
        return f"/aws/lambda/{function}"
