"""The rules of a document for one file: whether it belongs there, and how to judge its content."""

from __future__ import annotations

from typing import Any, NamedTuple

from upload_client.expectations.model import Expectations
from upload_client.expectations.packaging import is_chunk
from upload_client.expectations.packaging.zarr import is_named


class ContentRules(NamedTuple):
    """The rules for the content of a file.

    Attributes:
        type_name: of the file's type.
        format: what it should be; ``opaque``: it is not looked at.
        content: one of the classes of `upload_client.expectations.model.Content`, for who judges it.
    """

    type_name: str
    format: str
    content: Any


class Expected:
    """A document, ready to be asked about files; `sha256` is that of its bytes, hex, where it was read."""

    def __init__(self, expectations: Expectations, sha256: str | None = None) -> None:
        self.expectations = expectations
        self.sha256 = sha256
        self.rules = expectations.rules
        self._contents = [
            None if one.content is None else ContentRules(one.name, one.content.format, one.content)
            for one in expectations.types
        ]

    def refusal(self, path: str, size: int) -> str | None:
        """Why a file does not belong in the delivery, whatever its content; None if it does."""
        return self.rules.refusal(path, size)

    def content(self, path: str) -> ContentRules | None:
        """The rules for its content; None: it is opened as what its suffix says, as without a document."""
        number = self.rules.type_of(path)
        rules = None if number is None else self._contents[number]
        if rules is not None and rules.format == "zarr" and rules.content.others == "allow":
            # What else lies in such a folder is what its own name says.
            name = path.rpartition("/")[2]
            return rules if ".zarr/" not in path or is_chunk(path) or is_named(name) else None
        return rules
