"""End points of training as scikit-learn estimators."""

from ._classifier import ImplicitBiasClassifier
from ._cross_validated import ImplicitBiasRegressorCV
from ._regressor import ImplicitBiasRegressor

__all__ = ["ImplicitBiasClassifier", "ImplicitBiasRegressor", "ImplicitBiasRegressorCV"]
