"""Options that are passed on to a trainer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["check_options"]


def check_options(trainer: str, train: Callable[..., Any], options: dict[str, Any]) -> None:
    """Raise TypeError for an option that a trainer does not take from its caller."""
    parameters = inspect.signature(train).parameters.values()
    accepted = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY and p.name != "loss"]
    unknown = [name for name in options if name not in accepted]
    if unknown:
        raise TypeError(
            f"crosscheck got an unexpected option {', '.join(map(repr, unknown))}; "
            f"those of trainer={trainer!r} are {', '.join(accepted)}"
        )
