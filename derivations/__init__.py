"""The theorems derived by SymPy, each from its starting point; ``python -m derivations`` runs them all."""

from derivations import depth, depth_limits, explicit, galois, hypentropy, radicals
from derivations._derivation import Check, Derivation, Outcome, StepError

__all__ = ["DERIVATIONS", "Check", "Derivation", "Outcome", "StepError"]

DERIVATIONS = {
    module.DERIVATION.name: module.DERIVATION
    for module in (hypentropy, depth, depth_limits, explicit, radicals, galois)
}
