"""A nightly delivery as a task of Airflow: Airflow says when, and tries again; `ClientActivity` delivers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task


@dag(
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # one delivery at a time; the lock in the bucket sees to it as well
    default_args={"retries": 5, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True},
)
def nightly_delivery() -> None:
    """Deliver what lies in the outbox."""

    @task
    def deliver(ds: str = "") -> dict[str, object]:
        """Deliver it as the delivery of that day; a second try goes on where the first one was."""
        import logging

        from upload_client import LoggingReporter
        from upload_client.activities import ClientActivity
        from upload_client.index import scan
        from upload_client.settings import load_settings

        source = "/data/outbox"
        activity = ClientActivity(
            dataset="survey7",
            delivery_id=ds,
            file_index=scan(source, checksums=False),
            transfer_type="staging",
            source=source,
            settings=load_settings(profile="/etc/upload-client/archive.toml"),
            reporter=LoggingReporter(logging.getLogger("airflow.task")),
        )
        activity.start()  # raises what the task is to fail with
        return {name: activity.metadata[name] for name in ("headline", "receipt", "files_valid")}

    deliver()


nightly_delivery()
