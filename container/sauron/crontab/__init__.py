"""A crontab as a bundle: reading its lines as cron does, naming its jobs, and writing the manifest."""
