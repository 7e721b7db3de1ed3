"""Trajectories in files: NumPy archives without pickled objects, mpmath numbers as text that reads back exactly."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._result import Status
from ..regularizer import Q
from ..special._depth import exact_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ._trajectory import Trajectory

__all__ = ["read", "write"]

_FORMAT = "implicitbias trajectory 1"
_NUMBERS = ("accuracy", "beta", "dual", "log10_time")


def write(trajectory: Trajectory, path: Path) -> None:
    """Write to a file beside `path` first, so that an interruption leaves what was there."""
    exact = trajectory.digits is not None
    numbers = {name: getattr(trajectory, name) for name in _NUMBERS}
    header = {
        "format": _FORMAT,
        "loss": trajectory.loss,
        "depth": str(exact_depth(trajectory.D)),
        "scale": _scale_text(trajectory.reg),
        "status": trajectory.status.name,
        "digits": trajectory.digits,
        "steps": trajectory.steps,
        "seconds": trajectory.seconds,
        "info": {k: v if isinstance(v, int | float | str | bool) else str(v) for k, v in trajectory.info.items()},
    }
    arrays: dict[str, Any] = {k: _as_text(v) if exact else v for k, v in numbers.items()}
    arrays |= {"X": trajectory.X, "y": trajectory.y, "header": np.array(json.dumps(header))}
    if trajectory.w0 is not None:
        arrays["w0"] = trajectory.w0
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as stream:
        np.savez(stream, **arrays)
    beside.replace(path)


def read(path: Path) -> dict[str, Any]:
    """Attributes of what :func:`write` wrote."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive}
        header = json.loads(str(arrays["header"]))
        if header["format"] != _FORMAT:
            raise KeyError(header["format"])
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a saved trajectory") from error
    digits = header["digits"]
    numbers = {name: arrays[name] if digits is None else _from_text(arrays[name]) for name in _NUMBERS}
    depth = Fraction(header["depth"])
    kind, text = header["scale"]
    way, what = kind.split()
    readers: dict[str, Callable[[str], Any]] = {
        "float": float.fromhex,
        "mpf": _number,
        "fraction": Fraction,
        "text": str,
    }
    scale = readers[what](text)
    make = Q.from_log_alpha if way == "log" else Q
    return {
        "X": arrays["X"],
        "y": arrays["y"],
        "reg": make(scale, float(depth) if Fraction(float(depth)) == depth else depth, arrays.get("w0")),
        "status": Status[header["status"]],
        **numbers,
        **{name: header[name] for name in ("loss", "digits", "steps", "seconds", "info")},
    }


def _scale_text(reg: Q) -> tuple[str, str]:
    """Kind of the number that the scale was given as, and the number itself, exactly."""
    source = reg._scale.source
    way = "log" if reg._scale.is_log else "alpha"
    if isinstance(source, str):
        return f"{way} text", source
    if hasattr(source, "_mpf_"):
        return f"{way} mpf", _text(source)
    if isinstance(source, int | Fraction):
        return f"{way} fraction", str(source)
    return f"{way} float", float(source).hex()


def _text(value: Any) -> str:
    """An mpmath number as ``mantissa`` ``p`` ``exponent``."""
    import mpmath

    if not mpmath.isfinite(value):
        return str(value)
    sign, mantissa, exponent, _ = value._mpf_
    return f"{'-' if sign else ''}{int(mantissa)}p{int(exponent)}"


def _number(text: str) -> Any:
    import mpmath

    if "p" not in text:
        return mpmath.mpf(text)
    mantissa, exponent = text.split("p")
    return mpmath.mp.make_mpf(mpmath.libmp.from_man_exp(int(mantissa), int(exponent)))


def _as_text(values: NDArray[Any]) -> NDArray[np.str_]:
    return np.array([_text(v) for v in values.ravel()], dtype=np.str_).reshape(values.shape)


def _from_text(values: NDArray[np.str_]) -> NDArray[Any]:
    out = np.empty(values.shape, dtype=object)
    out.ravel()[:] = [_number(str(v)) for v in values.ravel()]
    return out
