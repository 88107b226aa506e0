"""All families of hostile cases, in the order in which they run."""

from __future__ import annotations

from tests.hostile.cases import answers, archive, build, folder, host, modules, output, processes, report, servers

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
