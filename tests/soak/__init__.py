"""The long tests, run by ``python -m tests.soak``."""
