"""Botocore's descriptions of AWS' services, read with less computing than botocore takes for it.

Each client reads those of its service, and the first one also where all 400 services are in all regions
(``endpoints.json``, 1.2 MB), of which it then looks at one. To make objects of the rest takes longer than all
else that a short command does with botocore: here each service is read once it is looked at.

Where msgspec is not installed, as in a Lambda function, or a file is not as it is expected, it is read whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from botocore.loaders import JSONFileLoader

try:
    import msgspec
except ImportError:  # pragma: no cover - in Lambda
    msgspec = None  # type: ignore[assignment]

_ENDPOINTS: Final = "endpoints.json"


class Descriptions(JSONFileLoader):
    """Reads descriptions of services into plain dictionaries, which are in order.

    Where botocore reads them by another method one day, it does so itself.
    """

    def _load_file(self, path: str, open_file: Callable[[str, str], BinaryIO]) -> Any:  # noqa: ANN401 - botocore's
        if not os.path.isfile(path):  # noqa: PTH113 - botocore asks for each name with two endings
            return None
        with open_file(path, "rb") as file:
            data = file.read()
        if msgspec is not None:
            try:
                return _endpoints(data) if os.path.basename(path) == _ENDPOINTS else msgspec.json.decode(data)  # noqa: PTH119
            except (msgspec.MsgspecError, KeyError, UnicodeDecodeError):
                pass  # somebody's own, perhaps: json takes more
        return json.loads(data)


def _endpoints(data: bytes) -> dict[str, Any]:
    """Where services are, of which each is read when it is looked at."""
    raw = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    partitions = []
    for partition in msgspec.json.decode(raw.pop("partitions"), type=list[dict[str, msgspec.Raw]]):
        services = _Services(msgspec.json.decode(partition["services"], type=dict[str, msgspec.Raw]))
        partitions.append(
            {
                name: services if name == "services" else msgspec.json.decode(text)
                for name, text in partition.items()
            }
        )
    return {"partitions": partitions, **{name: msgspec.json.decode(text) for name, text in raw.items()}}


class _Services(dict[str, Any]):
    """Services by their names, each read when it is looked at."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - what a description holds
        found = super().__getitem__(name)
        if isinstance(found, msgspec.Raw):
            found = self[name] = msgspec.json.decode(found)
        return found

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()  # so that one that is made of this one is made of what `__getitem__` gives

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as a dictionary's
        return self[name] if name in self else default  # noqa: SIM401 - that is this

    def items(self) -> Any:  # noqa: ANN401 - as a dictionary's
        self._read_all()
        return super().items()

    def values(self) -> Any:  # noqa: ANN401 - likewise
        self._read_all()
        return super().values()

    def copy(self) -> dict[str, Any]:
        return dict(self.items())

    def __eq__(self, other: object) -> bool:
        self._read_all()
        return super().__eq__(other)

    __hash__ = None  # as of any dictionary

    def _read_all(self) -> None:
        for name in self:
            self[name]
