"""Models that are homogeneous in their weights; each states its degree as ``homogeneity``."""

from ._convolutional import VGG11
from ._diagonal import DiagonalNetwork, ProductNetwork, UntiedDiagonalNetwork
from ._matrix import AsymmetricFactorization, SymmetricFactorization
from ._relu import FullyConnected, TwoLayerReLU, Unbiased, UnivariateReLU

__all__ = [
    "VGG11",
    "AsymmetricFactorization",
    "DiagonalNetwork",
    "FullyConnected",
    "ProductNetwork",
    "SymmetricFactorization",
    "TwoLayerReLU",
    "Unbiased",
    "UnivariateReLU",
    "UntiedDiagonalNetwork",
]
