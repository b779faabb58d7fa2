"""The base of everything WeCom sends: frozen, tolerant, silent about values in repr and errors."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Wire(BaseModel):
    """One JSON object of WeCom's.

    Extra fields are ignored, null counts as absent, numbers may arrive as text and text as numbers. Neither
    repr nor a validation error shows values, since most of them are a customer's words or ids.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", coerce_numbers_to_str=True, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        return (
            {name: value for name, value in data.items() if value is not None}
            if isinstance(data, dict)
            else data
        )

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return []
