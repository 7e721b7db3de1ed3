"""The statements of the papers, each with what proves or refutes it; ``implicitbias verify`` runs all of it."""

from importlib import import_module

from implicitbias.ledger import Claim

__all__ = ["CLAIMS", "MODULES"]

# in the order in which a reader meets the statements
MODULES = (
    "kernel_scaling",
    "hypentropy",
    "convergence",
    "asymptotics",
    "lemma5",
    "lemma6",
    "lemma7",
    "concavity",
    "theorem2",
    "theorem2_sharp",
    "depth",
    "depth_limits",
    "rich_limit",
    "kernel_limit",
    "scale",
    "reference",
    "explicit",
    "explicit_depth",
    "radicals",
    "galois",
    "matrix_flow",
    "theorem4",
    "theorem9",
    "corollary10",
    "thesis",
    "chizat",
    "classification",
    "moroshko",
)


def _collect() -> dict[str, Claim]:
    claims: dict[str, Claim] = {}
    for name in MODULES:
        for claim in getattr(import_module(f".{name}", __name__), "CLAIMS", ()):
            if claim.id in claims:
                raise ValueError(f"two claims are called {claim.id}")
            claims[claim.id] = claim
    papers = ["woodworth", "smith", "moroshko", "new"]
    return {name: claims[name] for name in sorted(claims, key=lambda name: papers.index(name.split(".")[0]))}


CLAIMS = _collect()
