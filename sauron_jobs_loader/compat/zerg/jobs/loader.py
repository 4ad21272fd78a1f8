"""`zerg.jobs.loader`, as older bundles import it."""

from sauron_jobs_loader.process.manifest import metadata as get_manifest_metadata

from .git_sync import load_jobs_manifest

__all__ = ["get_manifest_metadata", "load_jobs_manifest"]
