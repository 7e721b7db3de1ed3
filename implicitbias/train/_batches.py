"""Which samples a step of stochastic gradient descent looks at."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

__all__ = ["Batches"]


class Batches:
    """Batches of indices, a function of the seed and the number of the step alone, so that a run can be resumed.

    Parameters
    ----------
    samples
        Number of samples ``N``.
    size
        Samples per batch ``B``, from 1 to N.
    replacement
        Draw every batch anew, with replacement; otherwise the samples are shuffled once per epoch and taken in
        turn, the last batch of an epoch being what is left.
    seed
        Of the random numbers.
    device
        Where the indices are needed.
    """

    def __init__(self, samples: int, size: int, replacement: bool, seed: int, device: torch.device) -> None:
        if not 1 <= size <= samples:
            raise ValueError(f"batch_size must lie between 1 and the number of samples {samples}, got {size}")
        self.size: Final = size
        self.per_epoch: Final = -(-samples // size)
        self._samples, self._replacement, self._seed, self._device = samples, replacement, seed, device
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def at(self, step: int) -> Tensor:
        """Indices ``(B,)`` of the batch of a step, counted from 0."""
        if self._replacement:
            return torch.randint(self._samples, (self.size,), generator=self._generator(step)).to(self._device)
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            order = torch.randperm(self._samples, generator=self._generator(epoch))
            self._epoch, self._order = epoch, order.to(self._device)
        return self._order[position * self.size : (position + 1) * self.size]

    def _generator(self, index: int) -> torch.Generator:
        # a linear congruential step apart, seeds of neighbouring indices have nothing in common
        mixed = (self._seed * 6364136223846793005 + index * 1442695040888963407 + 1) % 2**63
        return torch.Generator().manual_seed(mixed)
