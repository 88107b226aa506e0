"""The group of all commands, which says what is wrong with an option in plain words."""

from __future__ import annotations

from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

_PLAIN = {"int_parsing": "a whole number", "float_parsing": "a number"}
"""By pydantic's kind of error, what the option takes."""


class Commands(TyperGroup):
    """A group whose options are refused without the words that pydantic puts before a reason."""

    def invoke(self, ctx: Any) -> Any:  # The class of a context is private to typer.
        """Run the command that the arguments name; its own options are read only now."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = _plain(error)
            raise


def _plain(error: typer.BadParameter) -> str:
    if isinstance(error.__cause__, ValidationError):
        detail = error.__cause__.errors()[0]
        if detail["type"] in _PLAIN:
            return f"{detail['input']!r} is not {_PLAIN[detail['type']]}."
    return error.message.removeprefix("Value error, ")
