"""Data on the device to train on."""

from __future__ import annotations

from typing import Any

from ..problems import Interpolation, Margins

__all__ = ["check_device", "on_device"]


def check_device(device: str | None) -> None:
    """Raise what :func:`crosscheck` would raise for `device`, without any training.

    Raises
    ------
    ValueError
        If torch cannot compute on the device in double precision.
    ModuleNotFoundError
        If torch is not installed.
    """
    from ..train import DiagonalNetwork  # says what to install where torch is missing

    points, _ = on_device(Interpolation([[1.0]], [1.0]), device)
    DiagonalNetwork(1, device=points.device)


def on_device(problem: Interpolation | Margins, device: str | None) -> tuple[Any, Any]:
    """Both arrays of a problem as tensors there."""
    import torch

    try:
        place = torch.device("cpu" if device is None else device)
        points, targets = torch.tensor(problem.X, device=place), torch.tensor(problem.y, device=place)
        targets.sum().item()  # a device without storage (meta) takes tensors but gives nothing back
        return points, targets
    except (RuntimeError, AssertionError, NotImplementedError, TypeError, ImportError) as error:
        # torch answers with one of these for a device it does not know, does not have, or was not built for
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"device {device!r} cannot be used: {reason}") from error
