"""Descriptions in JSON: RO-Crate, Frictionless data packages, Croissant.

https://www.researchobject.org/ro-crate/specification/1.2, https://datapackage.org/standard/data-resource,
https://docs.mlcommons.org/croissant/docs/croissant-spec.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from upload_client.core import digests
from upload_client.expectations.packaging.promises import (
    Listing,
    Promise,
    Promised,
    TooLarge,
    bounded,
    sibling,
    whole_number,
    wrong,
)

_CRATE = "ro-crate-metadata.json"
_PACKAGE = "datapackage.json"
_CROISSANT = "mlcommons.org/croissant"
_MAX_BYTES = 32 * 1024 * 1024
_MAX_VALUES = 2_000_000
_PATTERN = re.compile(r"[*?\[]")
_SUMS = ("md5", "sha1", "sha256", "sha512")


def is_named(name: str) -> bool:
    """Whether a file of this name may be such a description."""
    return name in (_CRATE, _PACKAGE, "metadata.json") or name.endswith("croissant.json")


def promised(path: str, data: bytes, listing: Listing) -> Promised | None:
    """The promises of a description; None: it is none.

    Raises:
        ValueError: it says what cannot be.
        TooLarge: it has more values than are looked at.
    """
    name = path.rpartition("/")[2]
    is_sure = name in (_CRATE, _PACKAGE)
    try:
        bounded(data, _MAX_BYTES, b",:[{", _MAX_VALUES)
        content = json.loads(data)
    except (ValueError, RecursionError, TooLarge):
        if is_sure:
            raise
        return None
    if not isinstance(content, dict):
        if not is_sure:
            return None
        raise wrong("it is no JSON object")
    if name == _CRATE:
        graph = content.get("@graph")
        if not isinstance(graph, list):
            raise ValueError("it has no @graph")
        return Promised("RO-Crate", _of_crate(path, graph, listing))
    if name == _PACKAGE:
        resources = content.get("resources")
        if not isinstance(resources, list) or not resources:
            raise ValueError("it has no resources")
        return Promised("data package", _of_package(path, resources, listing))
    if _CROISSANT not in json.dumps(content.get("conformsTo", "")):
        return None
    distribution = content.get("distribution", [])
    if not isinstance(distribution, list):
        raise wrong("its distribution is no list")
    return Promised("Croissant", _of_croissant(path, distribution))


def _sums(description: dict[str, Any]) -> tuple[tuple[str, bytes], ...]:
    found = []
    for algorithm in _SUMS:
        value = description.get(algorithm)
        # A URL stands there where whoever wrote it says why there is none.
        if isinstance(value, str) and value and "://" not in value:
            try:
                found.append((algorithm, digests.parse(algorithm, value)))
            except ValueError as error:
                raise ValueError(f"{algorithm} is {error}") from None
    return tuple(found)


def _of_crate(path: str, graph: list[Any], listing: Listing) -> Iterator[Promise]:
    for entity in graph:
        if not isinstance(entity, dict):
            raise wrong("its @graph holds what is no object")
        kinds = entity.get("@type")
        if "File" not in (kinds if isinstance(kinds, list) else [kinds]):
            continue
        written = entity.get("@id")
        file = sibling(path, written, is_url=True)
        if file is None or file == path:
            continue
        if "#" in str(written) and listing.find(file) is None:
            whole = sibling(path, str(written).partition("#")[0], is_url=True)  # it names a part of this
            if whole is not None:
                yield Promise(whole)
        else:
            yield Promise(file, whole_number(entity.get("contentSize")), _sums(entity))


def _of_package(path: str, resources: list[Any], listing: Listing) -> Iterator[Promise]:
    for resource in resources:
        if not isinstance(resource, dict):
            raise wrong("a resource is no object")
        named = resource.get("path", [])
        several = [named] if isinstance(named, str) else named
        if not isinstance(several, list):
            raise wrong("a path is neither a text nor a list")
        files = [sibling(path, one, is_url="://" in str(one)) for one in several]
        size: int | None = None
        sums: tuple[tuple[str, bytes], ...] = ()
        # Of several files it is that of all together, and frictionless leaves out headers of the later ones.
        if len(files) == 1 and not resource.get("extrapaths"):
            size, sums = whole_number(resource.get("bytes")), _hash(resource.get("hash"))
        for file in files:
            # Some libraries take a path for a pattern.
            if file is not None and not (_PATTERN.search(file) and listing.find(file) is None):
                yield Promise(file, size, sums)
        more = resource.get("extrapaths") or []
        if not isinstance(more, list):
            raise wrong("its extrapaths are no list")
        for named in more:
            file = sibling(path, named, is_url="://" in str(named))
            if file is not None:
                yield Promise(file)


def _hash(value_given: Any) -> tuple[tuple[str, bytes], ...]:  # noqa: ANN401 — from a description
    """MD5 in hexadecimal, or another algorithm's with its name before a colon."""
    if not isinstance(value_given, str) or not value_given:
        return ()
    algorithm, colon, value = value_given.rpartition(":")
    algorithm = algorithm.lower().replace("-", "") if colon else "md5"
    if algorithm not in _SUMS:
        return ()
    try:
        return ((algorithm, digests.parse(algorithm, value)),)
    except ValueError as error:
        raise ValueError(f"a hash is {error}") from None


def _of_croissant(path: str, distribution: list[Any]) -> Iterator[Promise]:
    for one in distribution:
        if not isinstance(one, dict):
            raise wrong("its distribution holds what is no object")
        kind = str(one.get("@type", ""))
        if not kind.endswith("FileObject") or "containedIn" in one or "contentUrl" not in one:
            continue  # a set of files, or a file in an archive
        file = sibling(path, one["contentUrl"], is_url=True)
        if file is not None:
            yield Promise(file, whole_number(one.get("contentSize")), _sums(one))
