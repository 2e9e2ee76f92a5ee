"""Once: render customer data, write it to S3, and mail a link. `upload-client schedule` does it every day."""

from __future__ import annotations

import csv
import io
import logging
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from upload_client.activities import (
    ActivityRunner,
    DataSource,
    DeliveryActivity,
    EmailFailureHandler,
    EmailSuccessHandler,
    RetryingActivity,
    S3Client,
    S3FileWriter,
)


def render() -> Iterator[bytes]:
    """Give the customers as CSV, some lines at a time; here they are made up."""
    for n in range(3):
        line = io.StringIO()
        csv.writer(line).writerow([n, f"Customer {n}"])
        yield line.getvalue().encode()


def main() -> int:
    """Write it, and tell how it ended."""
    logging.basicConfig(level=logging.INFO)
    metadata = {
        "title": "Customers",
        "generated-by": "customers.py",
        "bucket": "dumps",
        "key": f"customers/{datetime.now(UTC):%Y-%m-%d}.csv",
        "uuid": uuid.uuid4(),
        "timestamp": datetime.now(UTC),
    }
    writer = S3FileWriter(S3Client(), link_seconds=7 * 24 * 3600)
    activity = RetryingActivity(DeliveryActivity(DataSource(render), writer, metadata), tries=5, delay=30)
    server = {
        "host": "smtp.example.org",
        "starttls": True,
        "user": "robot",
        "password_command": ["pass", "smtp"],
        "sender": "robot@example.org",
    }
    return ActivityRunner(
        activity,
        success_handler=EmailSuccessHandler(
            recipients=["maria@example.org"], body="{title}: {link}", **server
        ),
        failure_handler=EmailFailureHandler(recipients=["admin@example.org"], **server),
    ).run()


if __name__ == "__main__":
    sys.exit(main())
