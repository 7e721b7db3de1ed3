"""The bounds and predictions of the papers as functions: as printed, as corrected, and sharp.

``implicitbias verify`` says of each what is known of it and shows it.
"""

from ._moroshko import (
    l2_margin,
    moroshko_lemma3_accuracy,
    moroshko_lemma3_loss,
    moroshko_theorem4,
    moroshko_theorem6,
    moroshko_theorem6_accuracy,
    moroshko_theorem6_log_mu,
    moroshko_theorem7,
)

__all__ = [
    "l2_margin",
    "moroshko_lemma3_accuracy",
    "moroshko_lemma3_loss",
    "moroshko_theorem4",
    "moroshko_theorem6",
    "moroshko_theorem6_accuracy",
    "moroshko_theorem6_log_mu",
    "moroshko_theorem7",
]
