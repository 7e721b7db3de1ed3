"""Implicit bias of gradient descent on diagonal linear networks."""
