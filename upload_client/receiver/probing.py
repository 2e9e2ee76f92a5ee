"""The trials of a store, made by the receiver and written down for one delivery's client."""

from __future__ import annotations

import boto3

from upload_client.control.identity import new_agent_id
from upload_client.control.store_probe import known_profile, probe_profile, save_profile
from upload_client.core.store_profile import StoreProfile
from upload_client.receiver.process import buckets
from upload_client.receiver.serving.configuration import Configuration


def probe_for(
    configuration: Configuration, dataset: str, delivery_id: str, *, endpoint: str | None = None
) -> StoreProfile:
    """Try the store, and write down what was seen where the client of a delivery looks for it.

    Args:
        configuration: of `receiver serve`.
        dataset: which delivery.
        delivery_id: which delivery.
        endpoint: URL at which providers reach the store, as `service_url` spells it; None: the receiver's. A
            client believes what was seen at its own endpoint alone.

    Raises:
        UsageError: a name cannot be used.
        StoreError: nobody answers, or something is denied.
    """
    settings = configuration.validator
    if endpoint is not None:
        others = {name: url for name, url in settings.endpoints.items() if name != "s3"}
        settings = settings.model_copy(update={"endpoint_url": endpoint, "endpoints": others})
    if boto3.Session().region_name is None:
        boto3.setup_default_session(region_name=configuration.serve.region)
    layout = settings.layout(dataset, delivery_id)
    control, landing = buckets(settings, layout)
    _, etag = known_profile(control, layout)
    profile = probe_profile(control, landing, layout.probe(new_agent_id()), copies=True)
    save_profile(control, layout, profile, etag)
    return profile
