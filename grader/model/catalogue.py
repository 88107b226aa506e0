"""What lab hosts are given: artifacts with their digests, and the sets of versions that do not work together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from grader.errors import UsageError
from grader.model.base import Record

Architecture = Literal["amd64", "arm64"]
"""As Debian writes it."""
Version = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$")]
"""Exact: there is no `latest`."""
ToolName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]

_SECURE = "https://"


class Archive(Record):
    """One file to fetch."""

    url: str = Field(pattern=r"^https://[a-z0-9.-]+/[A-Za-z0-9._/~-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int | None = Field(default=None, gt=0, description="Bytes; None where nobody published them.")
    checked: Literal["upstream", "agreed", "single"]

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return PurePosixPath(self.url).name

    def mirrored(self, mirror: str) -> str:
        """Return its address in a mirror, where the original domain is the top folder; its own if there is none."""
        return f"{mirror.rstrip('/')}/{self.url.removeprefix(_SECURE)}" if mirror else self.url


class Absent(Record):
    """A file that a release lacks for an architecture, or that nobody vouches for."""

    absent: str = Field(min_length=1)


class Layout(Record):
    """What an archive looks like inside.  Invariant: a single file has one link, and nothing to strip."""

    format: Literal["tar.gz", "tar.xz", "file"]
    strip: int = Field(default=0, ge=0, le=1, description="Leading folders to leave out.")
    links: dict[str, str] = Field(min_length=1, description="Command -> program inside the archive.")
    into: Literal["bin", "plugins"] = "bin"

    @field_validator("links")
    @classmethod
    def _inside(cls, links: dict[str, str]) -> dict[str, str]:
        for target in links.values():
            if PurePosixPath(target).is_absolute() or ".." in PurePosixPath(target).parts:
                raise ValueError(f"`{target}` leads out of the archive")
        return links

    @model_validator(mode="after")
    def _one_file(self) -> Layout:
        if self.format == "file" and (len(self.links) != 1 or self.strip):
            raise ValueError("a `file` has exactly one link and no `strip`")
        return self


class ChosenBy(Record):
    """The variable of a role that says which version a host gets.  Invariant: exactly one of the two."""

    variable: str | None = Field(default=None, pattern=r"^[a-z_]+$")
    list: str | None = Field(default=None, pattern=r"^[a-z_]+$", description="Of items `{name, version, state}`.")

    @model_validator(mode="after")
    def _one(self) -> ChosenBy:
        if (self.variable is None) == (self.list is None):
            raise ValueError("either `variable` or `list`")
        return self


class Release(Record):
    """A version, for both architectures."""

    amd64: Archive | Absent
    arm64: Archive | Absent


class Tool(Record):
    """A tool with its releases, newest first."""

    about: str = Field(min_length=1)
    chosen_by: ChosenBy
    layout: Layout
    releases: dict[Version, Release] = Field(min_length=1)

    @field_validator("releases")
    @classmethod
    def _newest_first(cls, releases: dict[str, Release]) -> dict[str, Release]:
        wanted = sorted(releases, key=version_key, reverse=True)
        if list(releases) != wanted:
            raise ValueError(f"not newest first; write {', '.join(wanted)}")
        return releases


class Catalogue(Record):
    """All tools, sorted by name."""

    schema_: Annotated[Literal["grader/catalogue/1"], Field(alias="schema")]
    tools: dict[ToolName, Tool]

    @field_validator("tools")
    @classmethod
    def _sorted(cls, tools: dict[str, Tool]) -> dict[str, Tool]:
        if list(tools) != sorted(tools):
            raise ValueError(f"not sorted; write {', '.join(sorted(tools))}")
        return tools

    def archive(self, tool: str, version: str, architecture: Architecture) -> Archive:
        """Return the file to fetch.

        Raises: UsageError if the catalogue has no such tool, version or architecture.
        """
        if tool not in self.tools:
            raise UsageError(f"no tool `{tool}` in the catalogue", hint=f"one of {_listed(self.tools)}")
        releases = self.tools[tool].releases
        if version not in releases:
            raise UsageError(f"no version `{version}` of `{tool}` in the catalogue", hint=f"one of {_listed(releases)}")
        found = releases[version].amd64 if architecture == "amd64" else releases[version].arm64
        if isinstance(found, Absent):
            raise UsageError(f"`{tool}` {version} for {architecture} is not in the catalogue: {found.absent}")
        return found


class Range(Record):
    """Versions from `at_least` up to, not including, `below`."""

    at_least: Version | None = None
    below: Version | None = None

    def holds(self, version: str) -> bool:
        """Return whether a version lies in it; what a distribution puts after the numbers does not count."""
        key = version_key(version)
        return (self.at_least is None or key >= version_key(self.at_least)) and (
            self.below is None or key < version_key(self.below)
        )


class Rule(Record):
    """A set of versions that does not work, with what one would see."""

    id: str = Field(pattern=r"^[a-z0-9.-]+$")
    tools: dict[ToolName, Range] = Field(min_length=1)
    needs: tuple[str, ...] = ()
    says: str = Field(min_length=1)
    remedy: str = Field(min_length=1)


class Rules(Record):
    """All rules, sorted by id."""

    schema_: Annotated[Literal["grader/compatibility/1"], Field(alias="schema")]
    rules: tuple[Rule, ...]

    @field_validator("rules")
    @classmethod
    def _sorted(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        ids = [rule.id for rule in rules]
        if ids != sorted(set(ids)):
            raise ValueError(f"not sorted, or one id twice; write {', '.join(sorted(set(ids)))}")
        return rules


def chosen(catalogue: Catalogue, variables: Mapping[str, object]) -> dict[str, str]:
    """Return tool -> version for the role variables of a host; a tool that its variable leaves out is not in it.

    Args:
        variables: The defaults of all roles, with the inventory's laid over them.
    Raises: UsageError if a version is not written as text: YAML reads `1.20` as a number, 1.2.
    """
    found: dict[str, str] = {}
    for name, tool in catalogue.tools.items():
        if tool.chosen_by.variable is not None:
            value = variables.get(tool.chosen_by.variable)
        else:
            value = _of_list(name, tool.chosen_by.list or "", variables)
        if value in (None, ""):
            continue
        if not isinstance(value, str):
            where = tool.chosen_by.variable or tool.chosen_by.list or ""
            raise UsageError(f"version `{value}` of `{name}` is no text", where=where, hint=f'write "{value}"')
        found[name] = value
    return found


def _of_list(name: str, variable: str, variables: Mapping[str, object]) -> object:
    """Return the version of a tool that a list names, None if it is not on it or to be absent.

    The lists of a group and of a host are laid over the list, so the last item of a name counts.
    """
    version: object = None
    for layer in (variable, variable.replace("_list", "_group_list"), variable.replace("_list", "_host_list")):
        items = variables.get(layer)
        for item in items if isinstance(items, Sequence) and not isinstance(items, str) else ():
            if isinstance(item, Mapping) and item.get("name") == name:
                version = item.get("version") if item.get("state", "present") == "present" else None
    return version


def refusals(rules: Rules, versions: Mapping[str, str], needs: Sequence[str] = ()) -> tuple[Rule, ...]:
    """Return the rules that hold against a set of versions."""
    return tuple(
        rule
        for rule in rules.rules
        if set(rule.needs) <= set(needs)
        and all(name in versions and found.holds(versions[name]) for name, found in rule.tools.items())
    )


def archives(
    catalogue: Catalogue, versions: Mapping[str, str], architecture: Architecture
) -> Iterator[tuple[str, str, Archive]]:
    """Yield tool, version and file of a set, by name.  Raises: UsageError as `Catalogue.archive`."""
    for tool, version in sorted(versions.items()):
        yield tool, version, catalogue.archive(tool, version, architecture)


def version_key(version: str) -> tuple[int, ...]:
    """Return what versions are ordered by: `1.6.20~ds1-1+deb12u3` and `v1.6.20` are 1.6.20.

    A missing part counts as lower than any, so that 1.26 is not after 1.26.0 and `28` is below `28.0.1`.
    """
    numbers = re.match(r"^v?([0-9]+(?:\.[0-9]+)*)", version)
    return tuple(int(part) for part in numbers[1].split(".")) if numbers else ()


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}`" for name in names)
