"""Activities: data sources, writers, retries and notifications, for deliveries that run unattended.

```python
from upload_client.activities import *

data = DataSource(render_customers)
writer = S3FileWriter(S3Client(), link_seconds=86_400)
metadata = {"title": "Customers", "bucket": "dumps", "key": "customers.csv"}
activity = RetryingActivity(DeliveryActivity(data, writer, metadata))
mail = EmailSuccessHandler(host="smtp.example.org", starttls=True, sender="robot@example.org",
                           recipients=["maria@example.org"], body="It is here: {link}")
ActivityRunner(activity, success_handler=mail).run()
```

The public names are imported when first used: to write to a folder needs neither boto3 nor pandas. A schedule
runs activities at given times (``upload-client schedule``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from upload_client.support.late_names import late_names

if TYPE_CHECKING:
    from upload_client.activities.activity import Activity, DeliveryActivity, Writer
    from upload_client.activities.client import ClientActivity
    from upload_client.activities.ftp import FtpClient, FtpFileWriter
    from upload_client.activities.local import LocalFileWriter
    from upload_client.activities.mail import EmailFailureHandler, EmailSuccessHandler
    from upload_client.activities.retry import RetryingActivity
    from upload_client.activities.runner import (
        ActivityRunner,
        FailureHandler,
        LoggingFailureHandler,
        LoggingSuccessHandler,
        SuccessHandler,
    )
    from upload_client.activities.s3 import S3Client, S3FileWriter
    from upload_client.activities.sftp import SftpClient, SftpFileWriter
    from upload_client.activities.source import DataSource

_HOMES = {
    "Activity": "activity",
    "ActivityRunner": "runner",
    "ClientActivity": "client",
    "DataSource": "source",
    "DeliveryActivity": "activity",
    "EmailFailureHandler": "mail",
    "EmailSuccessHandler": "mail",
    "FailureHandler": "runner",
    "FtpClient": "ftp",
    "FtpFileWriter": "ftp",
    "LocalFileWriter": "local",
    "LoggingFailureHandler": "runner",
    "LoggingSuccessHandler": "runner",
    "RetryingActivity": "retry",
    "S3Client": "s3",
    "S3FileWriter": "s3",
    "SftpClient": "sftp",
    "SftpFileWriter": "sftp",
    "SuccessHandler": "runner",
    "Writer": "activity",
}

__all__ = [
    "Activity",
    "ActivityRunner",
    "ClientActivity",
    "DataSource",
    "DeliveryActivity",
    "EmailFailureHandler",
    "EmailSuccessHandler",
    "FailureHandler",
    "FtpClient",
    "FtpFileWriter",
    "LocalFileWriter",
    "LoggingFailureHandler",
    "LoggingSuccessHandler",
    "RetryingActivity",
    "S3Client",
    "S3FileWriter",
    "SftpClient",
    "SftpFileWriter",
    "SuccessHandler",
    "Writer",
]

__getattr__, __dir__ = late_names(__name__, _HOMES)
