"""The commonest mistakes of a deployment, each with its cure: pure rules over facts that others gather."""

from .checks import examine, findings_json
from .facts import Facts, Place
from .finding import Finding

__all__ = ["Facts", "Finding", "Place", "examine", "findings_json"]
