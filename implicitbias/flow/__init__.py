"""Gradient-flow trajectories."""
