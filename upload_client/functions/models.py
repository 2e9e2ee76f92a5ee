"""The model that requests of our own functions are made of."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, BaseModel, model_validator

from upload_client.core.text import for_log

_NEARLY = 0.8
"""How alike a name is to a field that is meant; of 1."""


class Model(BaseModel):
    """A model in which null means what a missing field means: a state machine writes one for the other.

    Fields that it does not have are passed over, as state machines bring them along. Only what is nearly the
    name of a field that is not given is a mistake: a `delte` that is passed over deletes.
    """

    @model_validator(mode="before")
    @classmethod
    def _as_it_is_meant(cls, data: Any) -> Any:  # noqa: ANN401 - whatever was sent
        if not isinstance(data, Mapping):
            return data
        names = _names(cls)
        if not data.keys() <= names.keys():
            _refuse_mistyped(data, names)
        if not any(value is None for value in data.values()):
            return data
        given = {names.get(name) for name, value in data.items() if value is not None}
        return {
            name: value
            for name, value in data.items()
            if value is not None
            or (field := names.get(name)) is None
            or (cls.model_fields[field].is_required() and field not in given)
        }


@functools.cache
def _names(model: type[BaseModel]) -> dict[str, str]:
    """The names under which a model takes its fields: the field of each."""
    names: dict[str, str] = {}
    for field, about in model.model_fields.items():
        given = about.validation_alias
        others = given.choices if isinstance(given, AliasChoices) else ()
        names |= {name: field for name in (field, *others) if isinstance(name, str)}
    return names


def _refuse_mistyped(data: Mapping[str, Any], names: Mapping[str, str]) -> None:
    absent = sorted(names.keys() - data.keys())
    for name in data:
        if isinstance(name, str) and len(name) < 100 and name not in names:
            for meant in difflib.get_close_matches(name, absent, 1, _NEARLY):
                raise ValueError(f"{for_log(name, 100)} is no field here; write {meant}, if that is meant")
