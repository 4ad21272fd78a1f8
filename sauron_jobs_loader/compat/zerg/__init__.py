"""The names that bundles written for the earlier system import. New bundles import `sauron_jobs_loader`."""
