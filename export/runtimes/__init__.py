"""Artifacts in processes of their own: interpreters, their operators, time and memory."""
