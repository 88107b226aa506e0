"""What holds the hostile cases, and what is left of it on a host without cgroups or without a sandbox."""

from __future__ import annotations

from collections.abc import Mapping

from tests.hostile.catalogue import Defence

_ALL = (
    Defence(
        "time cap",
        "the run is killed at the lab's `run_timeout_s`, the build at its `timeout_s`",
        trusted="weaker",
        left="`--trust`: the program is killed, what left its session lives on",
    ),
    Defence("output cap", "1 MiB of stdout and of stderr is kept, then the run is killed"),
    Defence(
        "memory cap",
        "a cgroup of the run's own: 2 GiB, `/tmp` and shared memory included",
        without_cgroups="wins",
        trusted="wins",
        left="nothing: RLIMIT_AS would kill wasmtime, which reserves far more than it uses",
    ),
    Defence(
        "process cap",
        "a cgroup of the run's own: 256 processes and threads",
        without_cgroups="weaker",
        trusted="wins",
        left="RLIMIT_NPROC, which counts by user: two runs at once share the number",
    ),
    Defence(
        "disk cap",
        "a sized `/tmp`, RLIMIT_FSIZE, no core files, and a watch on what a build may write",
        trusted="wins",
        left="`--trust`: the disk is the caller's",
    ),
    Defence(
        "process namespace",
        "all processes of the run end with it; it sees and signals no other",
        trusted="wins",
        left="`--trust`: it has the caller's processes in reach",
    ),
    Defence(
        "network namespace",
        "there is no network but a loopback of its own",
        trusted="wins",
        left="`--trust`: it has the host's network",
    ),
    Defence(
        "mount namespace",
        "only the program, or the source and the toolchain, are in sight, read-only",
        trusted="wins",
        left="`--trust`: it has the caller's files",
    ),
    Defence(
        "user",
        "an unprivileged user without capabilities or a way to gain any",
        trusted="wins",
        left="`--trust`: it has the caller's rights",
    ),
    Defence(
        "system call filter",
        "seccomp refuses what no such program needs",
        trusted="wins",
        left="`--trust`: all system calls",
    ),
    Defence("build command", "the Dockerfile's command is read into a vector and checked against an allow-list"),
    Defence("build environment", "`GOTOOLCHAIN=local GOPROXY=off GOFLAGS= CGO_ENABLED=0`, nothing of the caller's"),
    Defence("module check", "header and sections are checked, then the module is compiled behind the sandbox"),
    Defence("wasmtime", "a module has no folder, no socket and no threads; what it calls has limits and traps"),
    Defence("strict answers", "one JSON object, no key twice, no NaN, its instant against the host's own clock"),
    Defence(
        "answer caps", "one connection, a deadline and a number of bytes for each request; no redirect is followed"
    ),
    Defence("facts are ours", "nothing that a submission writes or says is a fact or a score"),
    Defence("escaping", "text of a submission is escaped for each place where it is shown"),
    Defence("report reader", "a size cap, and one pass that takes linear time"),
    Defence("intake", "the copy is made file by file, checked and counted; nothing is extracted, followed or run"),
    Defence("recipe check", "a Dockerfile is read before it is built: what reaches beyond the submission is refused"),
    Defence("builder's network", "the commands of a build have no network, or the one that the host declares"),
    Defence("build caps", "a parent cgroup with 4 GiB and 1024 processes, the lab's time, and removal of what is left"),
    Defence("disk watch", "a build that has written 4 GiB is ended, and its unfinished layer is cut to nothing"),
    Defence(
        "container",
        "namespaces of its own, no capability, no new privileges, a read-only root, the engine's system call filter",
    ),
    Defence("container's caps", "cgroups of the container and of its parent, sized memory for `/tmp` and volumes"),
    Defence("container's network", "a bridge without a way out or an address of the host, or no network; no resolver"),
    Defence("isolated start", "nothing of the caller's folder is imported or read for settings"),
)

DEFENCES: Mapping[str, Defence] = {defence.name: defence for defence in _ALL}
