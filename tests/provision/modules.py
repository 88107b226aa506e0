"""Load an Ansible module of a role, to call its functions."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from tests.project.conftest import ROOT


def load_module(role: str, name: str) -> ModuleType:
    """Return a module of a role; it is looked up by name afterwards, as dataclasses do."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "roles" / role / "library" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
