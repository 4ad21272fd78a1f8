"""Names for bundles that were written for the earlier system. New bundles import `sauron_jobs_loader`."""
