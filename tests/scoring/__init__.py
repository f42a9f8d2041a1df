"""Scores of the checks against what is known: science.md E.2, ``python -m tests.scoring``."""
