"""Where between the kernel and the rich limit a problem sits."""

from ._regime import Regime, regime

__all__ = ["Regime", "regime"]
