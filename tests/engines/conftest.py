"""The engines under test."""

from tests.engines.fixtures import engines as engines
from tests.engines.fixtures import go_image as go_image
from tests.engines.fixtures import own_engines as own_engines
from tests.engines.fixtures import session_engines as session_engines
from tests.engines.fixtures import wasm_shim as wasm_shim
