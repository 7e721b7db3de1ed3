"""The names other code depends on, and their signatures."""

import importlib
import inspect
from importlib.resources import files

import pytest

import implicitbias as ib

NAMES = [
    "L1",
    "L2",
    "ConvergenceError",
    "FlowLimit",
    "ImplicitBiasClassifier",
    "ImplicitBiasError",
    "ImplicitBiasRegressor",
    "ImplicitBiasRegressorCV",
    "InfeasibleError",
    "Interpolation",
    "InterpolationPath",
    "Lp",
    "MarginPath",
    "Margins",
    "NotSeparableError",
    "Q",
    "R",
    "Regime",
    "Regularizer",
    "Result",
    "Stability",
    "Status",
    "Trajectory",
    "crosscheck",
    "flow_limit",
    "gradient_flow",
    "interpolate",
    "interpolation_path",
    "max_margin",
    "max_margin_path",
    "max_margin_solutions",
    "parameter_kkt",
    "regime",
    "saddle_escape",
    "special",
    "stability",
]
SPECIAL = ["h", "h_inverse", "h_inverse_complement", "q", "q_conjugate", "q_prime", "q_second", "r"]
METHODS = ["__call__", "grad", "hess_diag", "conjugate", "grad_conjugate", "hess_diag_conjugate"]


def parameters(function):
    return [
        f"{'*' if p.kind is p.KEYWORD_ONLY else ''}{p.name}{'' if p.default is p.empty else f'={p.default!r}'}"
        for p in inspect.signature(function).parameters.values()
    ]


def test_public_names():
    assert ib.__all__ == NAMES
    assert ib.special.__all__ == SPECIAL
    for name in NAMES:
        assert getattr(ib, name) is not None
    for name in SPECIAL:
        assert callable(getattr(ib.special, name))
    with pytest.raises(AttributeError, match="module 'implicitbias' has no attribute 'nothing'"):
        ib.nothing  # noqa: B018  the access is what raises


def test_everything_public_is_documented():
    for module in (
        ib,
        ib.special,
        *map(importlib.import_module, ["implicitbias.regularizer", "implicitbias.certificates"]),
    ):
        assert module.__doc__
        for name in module.__all__:
            thing = getattr(module, name)
            assert inspect.getdoc(thing), name
            if not inspect.isclass(thing):
                continue
            for member, value in vars(thing).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property | classmethod)):
                    assert inspect.getdoc(getattr(thing, member)), f"{name}.{member}"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (ib.Q, ["alpha", "D=2", "w0=None", "*reference=None"]),
        (ib.Q.from_log_alpha, ["log_alpha", "D=2", "w0=None", "*reference=None"]),
        (ib.R, ["alpha", "w0=None", "*D=2"]),
        (ib.R.from_log_alpha, ["log_alpha", "w0=None", "*D=2"]),
        (ib.L1, ["weights=None"]),
        (ib.L2, ["weights=None"]),
        (ib.special.q, ["z", "D=2"]),
        (ib.special.q_prime, ["z", "D=2"]),
        (ib.special.q_second, ["z", "D=2"]),
        (ib.special.q_conjugate, ["s", "D=2"]),
        (ib.special.h, ["s", "D=2"]),
        (ib.special.h_inverse, ["t", "D=2"]),
        (ib.special.r, ["z"]),
        (ib.interpolate, ["X", "y", "reg", "*digits=None", "*tol=1e-12", "*max_iterations=2000", "*throw=True"]),
        (
            ib.interpolation_path,
            ["X", "y", "alphas=None", "D=2", "w0=None", "*tol=1e-12", "*max_iterations=10000", "*throw=True"],
        ),
        (ib.regime, ["X", "y", "alpha", "D=2", "w0=None", "*tolerance=0.01"]),
        (ib.Lp, ["p"]),
        (ib.max_margin, ["X", "y", "reg", "*digits=None", "*tol=1e-12", "*max_iterations=2000", "*throw=True"]),
        (
            ib.max_margin_path,
            ["X", "y", "mus=None", "D=2", "w0=None", "*tol=1e-12", "*max_iterations=10000", "*throw=True"],
        ),
        (ib.max_margin_solutions, ["X", "y", "weights=None"]),
        (ib.flow_limit, ["X", "y", "D=2", "mus=(1.0,)", "*w0=None"]),
        (
            ib.gradient_flow,
            [
                *(
                    "X",
                    "y",
                    "alpha",
                    "D=2",
                    "loss='squared'",
                    "*w0=None",
                    "*until_loss=None",
                    "*until_accuracy=None",
                ),
                *("*save_at=None", "*digits=None", "*rtol=1e-11", "*max_steps=1000000", "*resume=None"),
                *("*progress=False", "*throw=True"),
            ],
        ),
        (ib.Interpolation, ["X", "y"]),
        (ib.Margins, ["X", "y"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_signatures(function, expected):
    assert parameters(function) == expected


def test_crosscheck_takes_what_the_design_says():
    names = parameters(ib.crosscheck)
    assert names[:3] == ["X", "y", "alpha=None"]
    assert "D=2" in [name.lstrip("*") for name in names]


@pytest.mark.parametrize("kind", [ib.Q, ib.R, ib.L1, ib.L2])
def test_regularizers_share_their_methods(kind):
    assert issubclass(kind, ib.Regularizer)
    for name in METHODS:
        assert len(inspect.signature(getattr(kind, name)).parameters) == 2


def test_result_fields():
    sol = ib.interpolate([[1.0, 2.0]], [1.0], ib.Q(1))
    for name in ("beta", "dual", "value", "status", "success", "residuals", "iterations"):
        assert getattr(sol, name) is not None


def test_errors_can_be_caught_by_family():
    assert issubclass(ib.ConvergenceError, ib.ImplicitBiasError)
    assert issubclass(ib.ConvergenceError, RuntimeError)
    assert issubclass(ib.InfeasibleError, ib.ImplicitBiasError)
    assert issubclass(ib.InfeasibleError, ValueError)
    for status in ib.Status:
        assert len(status.value) > 20
        assert status.success == (status is ib.Status.CONVERGED)


def test_the_package_is_typed():
    assert files("implicitbias").joinpath("py.typed").is_file()
