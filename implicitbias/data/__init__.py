"""Problems to train on: planted regression, scikit-learn's diabetes and digits data, tables from files."""

from ._datasets import Dataset, diabetes, digits, sparse_regression, standardize
from ._tables import load_table

__all__ = ["Dataset", "diabetes", "digits", "load_table", "sparse_regression", "standardize"]
