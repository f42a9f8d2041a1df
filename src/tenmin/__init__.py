"""tenmin: the ten-minute spontaneous-activity baseline, recorded the same way every time."""

__version__ = "0.1.0"
