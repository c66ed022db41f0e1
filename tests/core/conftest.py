"""Hypothesis draws the same examples every time: a failure is a change in the code, never luck."""

from hypothesis import settings

settings.register_profile("core", deadline=None, derandomize=True, max_examples=100)
settings.load_profile("core")
