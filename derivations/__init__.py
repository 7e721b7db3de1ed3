"""The theorems derived by SymPy, each from its starting point; ``python -m derivations`` runs them all."""

from derivations import (
    classification,
    depth,
    depth_limits,
    explicit,
    explicit_depth,
    galois,
    hypentropy,
    radicals,
    reference,
)
from derivations._derivation import Check, Derivation, Outcome, StepError

__all__ = ["DERIVATIONS", "Check", "Derivation", "Outcome", "StepError"]

DERIVATIONS = {
    module.DERIVATION.name: module.DERIVATION
    for module in (
        hypentropy,
        depth,
        depth_limits,
        reference,
        explicit,
        explicit_depth,
        radicals,
        galois,
        classification,
    )
}
