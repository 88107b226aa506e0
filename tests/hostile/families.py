"""All families of hostile cases, in the order in which they run: `FAMILIES` without a container, then those in one."""

from __future__ import annotations

from tests.hostile.cases import (
    answers,
    archive,
    build,
    containers,
    dockerfiles,
    folder,
    host,
    modules,
    output,
    processes,
    report,
    servers,
)

FAMILIES = (
    processes.FAMILY,
    output.FAMILY,
    answers.FAMILY,
    host.FAMILY,
    build.FAMILY,
    modules.FAMILY,
    servers.FAMILY,
    folder.FAMILY,
    archive.FAMILY,
    report.FAMILY,
)

IN_CONTAINERS = (dockerfiles.FAMILY, containers.FAMILY)

EVERY_FAMILY = (*FAMILIES, *IN_CONTAINERS)
