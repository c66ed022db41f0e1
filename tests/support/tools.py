"""Programs of others that some tests need: where they are, or why the test does not run."""

import os
import shutil

import pytest


def tool(name: str) -> str:
    """Its path. Skips the test where it is not installed, but for CI, which has to install it."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed; .ci/run has the list")
        pytest.skip(f"{name} is not installed")
    return found
