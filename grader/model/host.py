"""What a host is and what it can do; identity only, never its load, its name or its users."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from grader.model.base import Message, Record


class Tool(Record):
    """A program that facts depend on; `digest` is the sha256 of the file that runs."""

    name: str
    version: str
    sha256: str


class Fingerprint(Record):
    """Identity of a host as far as facts depend on it."""

    os: str
    kernel: str
    architecture: str
    cpus: int
    cgroup: Literal["v1", "v2", "none"]
    tools: tuple[Tool, ...] = ()


class Check(Record):
    """One line of `doctor`: what was found, whether it is enough, and the command that mends it."""

    id: str
    state: Literal["ok", "warning", "missing"]
    message: Message
    remedy: str = ""
    needed: bool = Field(default=False, description="Whether the purpose that was asked about needs it.")
    found: str = ""
    expected: str = ""
    prevents: str = Field(default="", description="What one would see otherwise, word for word where there is a text.")
