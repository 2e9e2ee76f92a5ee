"""The model that requests of our own functions are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, model_validator

__all__ = ["Model"]


class Model(BaseModel):
    """A model in which null means what a missing field means: a state machine writes one for the other."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_missing(cls, data: Any) -> Any:  # noqa: ANN401 - whatever was sent
        if not isinstance(data, Mapping) or not any(value is None for value in data.values()):
            return data
        fields = cls.model_fields
        return {
            name: value
            for name, value in data.items()
            if value is not None or name not in fields or fields[name].is_required()
        }
