"""A delivery as a flow of Prefect 3. Cancelled, it gives the lock back, and the next run goes on.

Prefect sends SIGTERM to the flow's process, and turns it into an exception (`TerminationSignal`, which is no
`Exception`) in the main thread. `UploadClient.run` ends in order on whatever is raised in it, and passes it
on. Call it in the flow, or in a task that is called directly: what `submit` puts into another thread is not
reached by the exception. For that, or for a time-out of your own, there is `UploadClient.stop`.

The settings come from the environment and the default profile. To try it:
``python prefect_flow.py DATASET DELIVERY_ID SOURCE``.
"""

from __future__ import annotations

import sys

from prefect import flow, task

from upload_client import DeliveryError, Outcome, UploadClient
from upload_client.index import scan

TRY_AGAIN = {4, 5, 7, 11, 12}
"""Exit codes after which the same again may succeed; all others need a person."""


class NotDeliveredError(Exception):
    """The delivery is not complete, and no further try of this run would change that."""


@task(retries=3, retry_delay_seconds=300, retry_condition_fn=lambda _task, _run, state: may_pass(state))
def deliver(dataset: str, delivery_id: str, source: str) -> dict[str, int]:
    """Deliver a folder; the files in each state."""
    client = UploadClient(
        dataset=dataset,
        delivery_id=delivery_id,
        file_index=scan(source),
        transfer_type="staging",
        source=source,
        n_threads=None,
    )
    outcome: Outcome = client.run()
    if outcome.exit_code:
        raise NotDeliveredError(outcome.exit_code, outcome.headline)
    return dict(outcome.counts)


def may_pass(state: object) -> bool:
    """Whether a failed try is worth another one."""
    try:
        state.result()
    except NotDeliveredError as error:
        return error.args[0] in TRY_AGAIN
    except DeliveryError as error:  # it did not begin
        return int(error.exit_code) in TRY_AGAIN
    return False


@flow
def delivery(dataset: str, delivery_id: str, source: str) -> dict[str, int]:
    """A flow of one delivery."""
    return deliver(dataset, delivery_id, source)


if __name__ == "__main__":
    print(delivery(*sys.argv[1:4]))
