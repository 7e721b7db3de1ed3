"""The layers: what may import what, what the package loads, and how long a file may get."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "implicitbias"

# From the bottom up; a module imports only from rows above its own, or from its own package.
LAYERS = [
    {"_namespace", "_result"},
    {"special"},
    {"regularizer"},
    {"problems"},
    {"certificates"},
    {"solvers"},
    {"losses"},
    {"theorems"},
    {"flow"},
    {"_regime"},
    {"estimators"},
    {"data"},
    {"three_points"},
    {"train"},
    {"kernel"},
    {"_report"},
    {"_crosscheck"},
    {"_sweep"},
    {"_trajectory_view"},
    {"bench"},
    {"ledger"},
    {"cli"},
]
# the package itself gathers the public names
FACADE = "implicitbias"
OPTIONAL = {"torch", "matplotlib", "sklearn", "sympy", "torchdiffeq", "cvxpy", "flint"}
OPTIONAL |= {"celer", "skglm", "platformdirs", "threadpoolctl"}
FILES = sorted(PACKAGE.rglob("*.py"))


def layer(unit):
    return next((i for i, names in enumerate(LAYERS) if unit in names), None)


def unit_of(path):
    """Row name of a file: the first part of its path in the package, '' for the package itself."""
    first = path.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def imports(path):
    """Absolute dotted names of everything a file imports, with the line and whether it runs at import time."""
    tree = ast.parse(path.read_text())
    here = ("implicitbias", *path.relative_to(PACKAGE).with_suffix("").parts)
    inside, typing_only = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside.update(map(id, ast.walk(node)))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            typing_only.update(id(n) for statement in node.body for n in ast.walk(statement))
    for node in ast.walk(tree):
        at_import = id(node) not in inside and id(node) not in typing_only
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, at_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(here[: len(here) - node.level]) if node.level else []
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                # what is imported may be a module itself
                yield ".".join([*base, alias.name]), node.lineno, at_import


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_up_the_table(path):
    unit = unit_of(path)
    if not unit:
        return
    assert layer(unit) is not None, f"{unit} has no row in the table of layers"
    for name, line, _ in imports(path):
        if name.split(".")[0] != FACADE:
            continue
        parts = name.split(".")
        target = parts[1] if len(parts) > 1 else ""
        if target == unit:
            continue
        # `from . import x` where x is a name of the package itself, such as the version
        target_layer = layer(target)
        assert target_layer is not None or target == "__version__", f"{path.name}:{line} imports {name}"
        if target_layer is not None:
            assert target_layer < layer(unit), f"{path.name}:{line}: {unit} may not import {target}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_derivations_are_never_imported(path):
    assert not [name for name, _, _ in imports(path) if name.split(".")[0] in {"derivations", "tests"}]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_optional_libraries_are_imported_only_where_they_are_used(path):
    allowed = {
        "estimators/_checks.py": {"sklearn"},
        "estimators/_classifier.py": {"sklearn"},
        "estimators/_cross_validated.py": {"sklearn"},
        "estimators/_regressor.py": {"sklearn"},
        "regularizer/_curve_torch.py": {"torch"},
        "regularizer/_learnable.py": {"torch"},
        "solvers/batch/_torch.py": {"torch"},
        "ledger/_check.py": {"sympy"},
        "special/_torch.py": {"torch"},
        "special/_symbolic.py": {"sympy"},
        "special/_symbolic_base.py": {"sympy"},
    }
    relative = path.relative_to(PACKAGE).as_posix()
    if relative.startswith(("train/", "kernel/")):
        return
    found = {name.split(".")[0] for name, _, at_import in imports(path) if at_import} & OPTIONAL
    assert found <= allowed.get(relative, set())


def test_import_is_light():
    code = "import implicitbias, sys; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    )
    assert "implicitbias" in loaded
    assert not loaded & {*OPTIONAL, "rich", "pandas", "derivations"}


def test_no_warning_on_import():
    subprocess.run([sys.executable, "-W", "error", "-c", "import implicitbias"], check=True)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_short(path):
    lines = len(path.read_text().splitlines())
    assert lines <= 400
