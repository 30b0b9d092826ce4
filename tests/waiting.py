"""Tests wait for events, however slow the machine; only one that hangs meets the ceiling."""

import time

CEILING = 900  # seconds


def wait_for(condition, process=None):
    """Return what a condition gives once that is true; fail if who should see to it has ended."""
    end = time.monotonic() + CEILING
    while not (found := condition()):
        if process is not None and process.poll() is not None and not condition():
            raise AssertionError(f"the process has ended with {process.returncode} before")
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found
