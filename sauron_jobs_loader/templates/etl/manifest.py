"""The jobs of this bundle. Sauron reads this file after every change of the repository; see README.md."""

from jobs import orders

from sauron_jobs_loader import JobConfig, job_registry

job_registry.register(
    JobConfig(
        id="orders",
        cron="15 * * * *",
        func=orders.run,
        params=orders.Params,
        timeout_seconds=600,
        overlap="queue",
        catchup="latest",
        secrets=[],
        tags=["etl"],
        description="Reads new orders, converts them and stores them, each once",
    )
)
