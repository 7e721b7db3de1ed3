import importlib
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def toys():
    # by a plain import, so that other processes find the functions by the same name
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        yield importlib.import_module("toy_claims")
    finally:
        sys.path.pop(0)
        sys.modules.pop("toy_claims", None)
