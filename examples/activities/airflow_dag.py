"""A nightly delivery as a task of Apache Airflow 3: Airflow says when, and tries again.

Airflow sends SIGTERM to the task's process when somebody marks it as failed or clears it, or its time is up.
On that it calls `on_kill` and nothing else: `ClientActivity.stop` has the delivery end in order, and give the
lock back. An exit code that may pass is an exception that Airflow tries again, any other one is not.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

TRY_AGAIN = {1, 4, 5, 7, 11, 12, 130}
"""Exit codes after which the same again may succeed; all others need a person."""


class DeliverOperator(BaseOperator):
    """Delivers a folder as the delivery of a day, and succeeds when every file is judged valid."""

    template_fields = ("delivery_id",)

    def __init__(
        self,
        *,
        dataset: str,
        delivery_id: str,
        source: str,
        profile: str,
        **options: Any,  # noqa: ANN401 - Airflow's
    ) -> None:
        super().__init__(**options)
        self.dataset, self.delivery_id = dataset, delivery_id
        self.source, self.profile = source, profile
        self._activity: Any = None

    def execute(self, context: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002 - Airflow's
        """Deliver; a second try goes on where the first one was."""
        # Imported here: Airflow reads this file every few seconds.
        from upload_client import DeliveryError
        from upload_client.activities import ClientActivity

        self._activity = ClientActivity(self._arguments)
        try:
            self._activity.start()
        except DeliveryError as error:
            again = int(error.exit_code) in TRY_AGAIN
            kind = AirflowException if again else AirflowFailException
            problems = self._activity.metadata.get("problems", "")
            raise kind(f"exit code {int(error.exit_code)}: {error}\n{problems}".rstrip()) from error
        told = self._activity.metadata
        return {name: told[name] for name in ("headline", "receipt", "files_valid")}

    def on_kill(self) -> None:
        """Called by Airflow, from its signal handler: end soon, and in order."""
        if self._activity is not None:
            self._activity.stop()

    def _arguments(self) -> dict[str, Any]:
        import logging

        from upload_client import LoggingReporter
        from upload_client.index import scan
        from upload_client.settings import load_settings

        return {
            "dataset": self.dataset,
            "delivery_id": self.delivery_id,
            "file_index": scan(self.source),
            "transfer_type": "staging",
            "source": self.source,
            "settings": load_settings(profile=self.profile),
            "reporter": LoggingReporter(logging.getLogger("airflow.task")),
            "n_threads": None,
        }


with DAG(
    dag_id="nightly_delivery",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # one delivery at a time; the lock in the bucket sees to it as well
    default_args={"retries": 5, "retry_delay": timedelta(minutes=5), "retry_exponential_backoff": True},
) as dag:
    DeliverOperator(
        task_id="deliver",
        dataset="survey7",
        delivery_id="{{ ds }}",
        source="/data/outbox",
        profile="/etc/upload-client/archive.toml",
    )
