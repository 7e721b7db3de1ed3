"""Where the claims are: the package ``derivations``, inside an installed package or beside it in a checkout."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ._claim import Claim

__all__ = ["load"]

_PACKAGE = Path(__file__).resolve().parents[1]


def load() -> dict[str, Claim]:
    """Every claim by its id, in the order of the papers.

    Raises
    ------
    ModuleNotFoundError
        If the derivations that belong to this package are not found.
    """
    if (_PACKAGE / "derivations").is_dir():
        module = import_module("implicitbias.derivations")
    else:
        module = import_module("derivations")
        found = Path(module.__file__ or "").resolve().parent
        if found != _PACKAGE.parent / "derivations":
            raise ModuleNotFoundError(f"'derivations' is {found}, not that of {_PACKAGE}", name="derivations")
    claims: dict[str, Claim] = module.CLAIMS
    return claims
