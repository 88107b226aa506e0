"""Fixtures for tests that need container engines; a `conftest.py` imports those that it offers.

Tests that use them carry `@pytest.mark.serial` and `@pytest.mark.once`: the engines are the same on every Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grader.adapters.containerfile import host_platform
from grader.adapters.imagelayout import Layout
from grader.adapters.registry import Registry
from grader.adapters.standin import GO_IMAGE, write_go_image
from grader.adapters.toolchains import find_go
from tests.engines import shim
from tests.engines.engines import PROGRAMS, Engines, EnginesError, missing, running


@contextmanager
def started() -> Iterator[Engines]:
    """Start engines for the body, or skip where there can be none; the shim is on containerd's PATH if it is built."""
    if why := missing():
        pytest.skip(f"needs: containers: {why}")
    opened = running(shims=shim.folder() if shim.is_built() else None)
    try:
        engines = opened.__enter__()
    except EnginesError as error:
        pytest.skip(f"needs: containers: {error}")
    try:
        yield engines
    finally:
        opened.__exit__(None, None, None)


@pytest.fixture(scope="session")
def session_engines() -> Iterator[Engines]:
    """The engines that the tests of a worker share."""
    with started() as engines:
        yield engines


@pytest.fixture
def engines(session_engines: Engines) -> Iterator[Engines]:
    """The shared engines, with the test inside their network: it reaches their containers and the registry."""
    with session_engines.inside():
        yield session_engines


@pytest.fixture
def own_engines() -> Iterator[Engines]:
    """Engines of this test alone, to be broken; half a second.  The test is inside their network."""
    with started() as engines, engines.inside():
        yield engines


@pytest.fixture(scope="session")
def wasm_shim() -> Path:
    """The program behind `io.containerd.wasmtime.v1`; skip where it was not built."""
    if not shim.is_built():
        lacks = shim.missing() or "`bin/test --require containers` builds it"
        pytest.skip(f"needs: containers: the shim for tests is not built: {lacks}")
    return shim.folder() / shim.PROGRAM


@pytest.fixture(scope="session")
def go_image(session_engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of the stand-in for the lab's Go image, which the shared registry has from here on."""
    go = find_go()
    if go is None:
        pytest.skip("needs: go: the embedded extra is not installed")
    layout = Layout(tmp_path_factory.mktemp("go-image"))
    written = write_go_image(
        layout, go_root=go.root, busybox=Path(PROGRAMS["busybox"]), architecture=host_platform().architecture
    )
    with session_engines.inside():
        Registry(f"http://{session_engines.registry}").push(layout, written, f"library/{GO_IMAGE}")
    return GO_IMAGE
