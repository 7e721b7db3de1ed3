"""Checkpoints: everything a run needs to go on, bit for bit, in a file that is never half written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

__all__ = ["Checkpoint", "digest"]

_FORMAT = "implicitbias training 1"


def digest(*tensors: Tensor) -> str:
    """Short fingerprint of the contents of tensors."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        found.update(tensor.detach().to("cpu").contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


class Checkpoint:
    """A file in which a run is kept every so many steps, and at its end.

    Parameters
    ----------
    path
        The file. One that exists already holds the run to go on with.
    every
        Steps between two writings.
    settings
        What the run does, by name; a file of another run is refused.
    """

    def __init__(self, path: str | Path, every: int, settings: dict[str, Any]) -> None:
        if every < 1:
            raise ValueError(f"checkpoint_every must be a positive number of steps, got {every}")
        self.path, self.every = Path(path), every
        self._settings = {name: str(value) for name, value in settings.items()}
        if not self.path.absolute().parent.is_dir():
            raise ValueError(f"checkpoint: no such directory: {self.path.absolute().parent}")

    def load(self) -> dict[str, Any] | None:
        """What was kept, or None where nothing was yet.

        Raises
        ------
        ValueError
            If the file is no checkpoint, or one of another run.
        """
        if not self.path.exists():
            return None
        try:
            kept: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            known = kept.get("format") == _FORMAT
        except Exception as error:
            raise ValueError(f"checkpoint {self.path} cannot be read: {error}") from error
        if not known:
            raise ValueError(f"checkpoint {self.path} is not one of this version")
        for name, value in self._settings.items():
            if kept["settings"].get(name) != value:
                raise ValueError(
                    f"checkpoint {self.path} is of another run: its {name} is {kept['settings'].get(name)}, "
                    f"not {value}; remove the file or name another"
                )
        return kept

    def save(self, **contents: Any) -> None:
        """Write to a file beside it first, so that a kill leaves the last one."""
        beside = self.path.with_name(self.path.name + ".part")
        torch.save({"format": _FORMAT, "settings": self._settings, **contents}, beside)
        beside.replace(self.path)
