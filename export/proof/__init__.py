"""Artifact against Keras model: run both, measure the difference, judge it."""
