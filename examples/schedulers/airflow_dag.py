"""A delivery as a task of Apache Airflow 3. Cancelled, it gives the lock back, and the next try goes on.

Airflow sends SIGTERM to the task's process when somebody marks it as failed or clears it, or its time is up.
On that it calls `on_kill` and nothing else, and after 5 seconds it kills: `UploadClient.stop` has the run end
before. An exit code that may pass is an exception that Airflow tries again, any other one is not.

The settings come from the environment and the default profile. To try the DAG without a scheduler, in a
process of its own, from the folder of the DAGs: ``python airflow_dag.py DATASET DELIVERY_ID SOURCE``.
"""

from __future__ import annotations

import sys
from typing import Any

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from upload_client import DeliveryError, UploadClient
from upload_client.index import scan

TRY_AGAIN = {4, 5, 7, 11, 12, 130}
"""Exit codes after which the same again may succeed; all others need a person."""


class DeliverOperator(BaseOperator):
    """Delivers a folder, and succeeds when every file is judged valid."""

    template_fields = ("dataset", "delivery_id", "source")

    def __init__(self, *, dataset: str, delivery_id: str, source: str, **options: Any) -> None:  # noqa: ANN401 - Airflow's
        super().__init__(**options)
        self.dataset = dataset
        self.delivery_id = delivery_id
        self.source = source
        self._client: UploadClient | None = None

    def execute(self, context: Any) -> dict[str, int]:  # noqa: ANN401, ARG002 - Airflow's
        """Deliver; the files in each state."""
        try:
            self._client = UploadClient(
                dataset=self.dataset,
                delivery_id=self.delivery_id,
                file_index=scan(self.source),
                transfer_type="staging",
                source=self.source,
                n_threads=None,
            )
            outcome = self._client.run()
        except DeliveryError as error:  # it did not begin
            raise self._failure(int(error.exit_code), str(error)) from error
        if outcome.exit_code:
            raise self._failure(outcome.exit_code, outcome.headline)
        return dict(outcome.counts)

    def on_kill(self) -> None:
        """Called by Airflow, from its signal handler: end soon, and in order."""
        if self._client is not None:
            self._client.stop()

    @staticmethod
    def _failure(code: int, text: str) -> AirflowException:
        kind = AirflowException if code in TRY_AGAIN else AirflowFailException
        return kind(f"exit code {code}: {text}")


with DAG(
    dag_id="deliver",
    schedule=None,
    params={"dataset": "survey7", "delivery_id": "2026-11", "source": "/data/survey7"},
) as dag:
    DeliverOperator(
        task_id="deliver",
        dataset="{{ params.dataset }}",
        delivery_id="{{ params.delivery_id }}",
        source="{{ params.source }}",
    )

if __name__ == "__main__":
    names = ("dataset", "delivery_id", "source")
    run = dag.test(run_conf=dict(zip(names, sys.argv[1:], strict=True)))
    sys.exit(0 if run.state == "success" else 1)
