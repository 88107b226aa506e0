"""Names of steps, which are also their folders of evidence below `steps/`."""

from __future__ import annotations


def build_step(subject: str) -> str:
    """Return the name of a build."""
    return f"build-{subject}"


def image_step(subject: str) -> str:
    """Return the name of the build of an image."""
    return f"image-{subject}"


def probe_step(probe: str, subject: str, arm: str) -> str:
    """Return the name of a probe of one arm."""
    return f"probe-{probe}-{subject}-{arm}"


def memory_step(metric: str, arm: str) -> str:
    """Return the name of the runs of one arm whose peak of memory is read."""
    return f"memory-{metric}-{arm}"
