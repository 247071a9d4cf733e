"""What Bandpics says of itself: lines of logs, metrics, and, by setting, errors and traces.

It knows nothing of photos; the rooms above it say what happened. docs/operations.md explains how to
read it.
"""
