"""Container engines for commands that talk to one."""

from tests.engines.fixtures import own_engines as own_engines
