"""Read the catalogue of artifacts and the rules of compatibility that come with the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from grader.adapters.shipped import shipped
from grader.errors import UsageError
from grader.model.base import Record, first_mistake
from grader.model.catalogue import Catalogue, Rules
from grader.model.hostcheck import KnownCheck

ARTIFACTS = "artifacts.yml"
COMPATIBILITY = "compatibility.yml"
CHECKS = "checks.json"

_Read = TypeVar("_Read", bound=Record)


def folder() -> Path:
    """Return where the catalogue lies: in the role that reads it."""
    return shipped("roles/lab_artifacts/files")


def load_catalogue(path: Path | None = None) -> Catalogue:
    """Read a catalogue, a course's own if one is named.  Raises: UsageError with file and field."""
    return load_record(path or folder() / ARTIFACTS, Catalogue)


def load_rules(path: Path | None = None) -> Rules:
    """Read the rules of compatibility.  Raises: UsageError with file and field."""
    return load_record(path or folder() / COMPATIBILITY, Rules)


def load_checks() -> dict[str, KnownCheck]:
    """Return the checks of all roles, and of the program beside them, by id."""
    data = json.loads((folder() / CHECKS).read_text(encoding="utf-8"))
    return {check["id"]: KnownCheck.model_validate({**check, "tags": tuple(check["tags"])}) for check in data["checks"]}


def load_record(path: Path, kind: type[_Read]) -> _Read:
    """Read a file of this folder, or a course's own in its place.  Raises: UsageError with file and field."""
    try:
        return kind.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UsageError(first_mistake(error), where=str(path), hint="docs/catalogue.md explains the file") from error


def read_yaml(path: Path) -> object:
    """Return what a file holds.  Raises: UsageError."""
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"is no YAML: {str(error).partition(chr(10))[0]}", where=str(path)) from error
