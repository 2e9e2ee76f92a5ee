"""`DeliveryBuckets`: the control and landing bucket of a delivery, opened after the login."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upload_client.aws.auth import fetch_parameter
from upload_client.core.files import TransferType
from upload_client.core.layout import InvalidName, Layout
from upload_client.core.object_options import for_control
from upload_client.errors import UsageError
from upload_client.s3.bucket import Bucket
from upload_client.s3.clients import s3_client
from upload_client.settings import Settings, require, with_parameter
from upload_client.support.patience import NO_PATIENCE, Patience

if TYPE_CHECKING:
    import boto3

_log = logging.getLogger(__name__)

_CONTROL_TIMEOUT = 20.0  # seconds: a lock's refresh must not hang for longer than a short lease can wait
_COPY_TIMEOUT = 300.0  # seconds: a copy of 5 GiB within S3 is answered when it is done


@dataclass(frozen=True, slots=True)
class DeliveryBuckets:
    """The buckets of a delivery, `control` at its root and `landing` at its prefix; its settings and keys."""

    settings: Settings
    layout: Layout
    control: Bucket
    landing: Bucket


@contextlib.contextmanager
def usage_errors() -> Iterator[None]:
    """Raise an invalid name as a `UsageError`, as for any other wrong input."""
    try:
        yield
    except InvalidName as error:
        raise UsageError(str(error)) from None


def complete_settings(
    session: boto3.Session, settings: Settings, patience: Patience = NO_PATIENCE
) -> Settings:
    """The settings, completed from the receiver's SSM parameter.

    Raises:
        NotReachable: the parameter cannot be read at this moment.
        UsageError: something is missing, or wrong.
        LoginRefused: the parameter may not be read.
    """
    with usage_errors():
        if settings.needs_parameter:
            settings = with_parameter(settings, patience(lambda: fetch_parameter(session, settings)))
        starter = () if settings.start == "watched" else ("start_function",)
        require(settings, "control_bucket", "landing_bucket", *starter)
    return settings


def open_buckets(
    session: boto3.Session,
    settings: Settings,
    *,
    dataset: str,
    delivery_id: str,
    transfer_type: TransferType,
    pool: int = 4,
) -> DeliveryBuckets:
    """Open a delivery's buckets. Makes no request.

    Args:
        session: whose credentials to use.
        settings: complete ones.
        dataset: name of the data set.
        delivery_id: name of the delivery.
        transfer_type: ``staging`` or ``sample``.
        pool: connections to the landing bucket to keep open.

    Raises:
        UsageError: the names, or where the settings put them, cannot be used.
    """
    assert settings.control_bucket and settings.landing_bucket  # noqa: PT018 - for the type checker
    with usage_errors():
        layout = Layout(
            dataset,
            delivery_id,
            transfer_type,
            control_prefix=settings.control_prefix,
            landing_prefix=settings.landing_prefix,
        )
        layout.check_places(settings.control_bucket, settings.landing_bucket)
    control = s3_client(session, settings, read_timeout=_CONTROL_TIMEOUT)
    data = s3_client(session, settings, pool=pool, read_timeout=_COPY_TIMEOUT)
    buckets = DeliveryBuckets(
        settings,
        layout,
        Bucket(
            layout.fill(settings.control_bucket),
            prefix=layout.root,
            client=control,
            options=for_control(settings.object_options),
        ),
        Bucket(
            layout.fill(settings.landing_bucket),
            prefix=layout.landing,
            client=data,
            options=settings.object_options,
        ),
    )
    _log.info("control bucket %s, landing bucket %s", buckets.control, buckets.landing)
    return buckets
