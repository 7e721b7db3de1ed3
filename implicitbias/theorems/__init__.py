"""The bounds and predictions of the papers as functions: as printed, as corrected, and sharp.

``implicitbias verify`` says of each what is known of it and shows it.
"""

from ._asymptotic import Asymptotic, asymptotic_kernel, asymptotic_rich
from ._depth import interpolation_derivative, lemma8_bound, lemma8_log_bound
from ._lemmas import (
    lemma5_alpha,
    lemma5_log_alpha,
    lemma6_alpha,
    lemma6_log_alpha,
    lemma6_sharp_alpha,
    lemma6_sharp_log_alpha,
    lemma7_alpha,
    lemma7_sharp_alpha,
)
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
from ._tangent import (
    corollary10_width,
    lemma11_rate,
    lemma13_deviation,
    lemma13_probability,
    theorem9_largest_gap,
    theorem9_tangent,
    theorem9_weights,
)
from ._theorem2 import (
    theorem2_kernel_alpha,
    theorem2_kernel_clean_alpha,
    theorem2_kernel_sharp_alpha,
    theorem2_rich_alpha,
    theorem2_rich_clean_log_alpha,
    theorem2_rich_log_alpha,
    theorem2_rich_sharp_log_alpha,
)

__all__ = [
    "Asymptotic",
    "asymptotic_kernel",
    "asymptotic_rich",
    "corollary10_width",
    "interpolation_derivative",
    "l2_margin",
    "lemma5_alpha",
    "lemma5_log_alpha",
    "lemma6_alpha",
    "lemma6_log_alpha",
    "lemma6_sharp_alpha",
    "lemma6_sharp_log_alpha",
    "lemma7_alpha",
    "lemma7_sharp_alpha",
    "lemma8_bound",
    "lemma8_log_bound",
    "lemma11_rate",
    "lemma13_deviation",
    "lemma13_probability",
    "moroshko_lemma3_accuracy",
    "moroshko_lemma3_loss",
    "moroshko_theorem4",
    "moroshko_theorem6",
    "moroshko_theorem6_accuracy",
    "moroshko_theorem6_log_mu",
    "moroshko_theorem7",
    "theorem2_kernel_alpha",
    "theorem2_kernel_clean_alpha",
    "theorem2_kernel_sharp_alpha",
    "theorem2_rich_alpha",
    "theorem2_rich_clean_log_alpha",
    "theorem2_rich_log_alpha",
    "theorem2_rich_sharp_log_alpha",
    "theorem9_largest_gap",
    "theorem9_tangent",
    "theorem9_weights",
]
