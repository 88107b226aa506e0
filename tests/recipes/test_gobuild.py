from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.model.lab import DockerfileCommand
from grader.recipes.gobuild import SWITCHES, VALUES, GoBuild, go_build_argv
from grader.recipes.refusal import Refusal

ALLOW = ("-tags", "-trimpath", "-ldflags", "-o")
SOURCE = DockerfileCommand(
    file="Dockerfile", command="go build", allow=ALLOW, env={"CGO_ENABLED": "0", "GOOS": "linux"}, tool="go"
)


def stated(run: str, before: str = "") -> GoBuild | Refusal:
    return go_build_argv(f"FROM golang:1.21-alpine AS b\nWORKDIR /w\nCOPY main.go .\n{before}RUN {run}\n", SOURCE)


def accepted(run: str, before: str = "") -> GoBuild:
    build = stated(run, before)
    assert isinstance(build, GoBuild), build
    return build


def refused(run: str, before: str = "") -> tuple[str, object]:
    refusal = stated(run, before)
    assert isinstance(refusal, Refusal), refusal
    return refusal.message.code, refusal.message.params.get("found")


def test_a_static_build_in_one_canonical_form() -> None:
    build = accepted('CGO_ENABLED=0 GOOS=linux go build -tags netgo -trimpath -ldflags="-s -w" -o app main.go')
    assert build.env == {"CGO_ENABLED": "0", "GOOS": "linux"}
    assert build.flags == ("-tags=netgo", "-trimpath", "-ldflags=-s -w")
    assert (build.packages, build.output, build.line, build.go) == (("main.go",), "app", 4, "1.21")
    assert (build.trimmed, build.tags, build.copied) == (True, frozenset({"netgo"}), True)


@pytest.mark.parametrize(
    "value", ["-s -w -extldflags=-static", "-s -w -extldflags '-static'", "-s -w --extldflags=-static"]
)
def test_spellings_of_a_static_link_are_one(value: str) -> None:
    assert accepted(f'go build -ldflags "{value}" main.go').flags == ("-ldflags=-s -w -extldflags=-static",)


def test_the_exec_form_is_read_without_a_shell() -> None:
    assert accepted('["go", "build", "-o=/bin/app", "main.go"]').output == "app"


def test_harmless_neighbours_are_skipped_and_a_cache_mount_is_none_of_our_business() -> None:
    build = accepted("--mount=type=cache,target=/var/cache/apk apk add --no-cache git && go mod download && go build .")
    assert build.packages == (".",)


def test_environment_of_the_stage_counts_if_it_changes_the_build() -> None:
    assert accepted("go build", "ENV CGO_ENABLED=0 GOPROXY=direct\n").env == {"CGO_ENABLED": "0"}
    assert refused("go build", "ENV GOFLAGS=-toolexec=/w/x\n") == ("gobuild.variable", "GOFLAGS=-toolexec=/w/x")
    assert refused("GOARCH=arm64 go build") == ("gobuild.variable", "GOARCH=arm64")


def test_a_linker_variable_with_a_space_stays_one_word() -> None:
    assert accepted("""go build -ldflags "-X 'main.version=1 2'" """).flags == ('-ldflags="-X=main.version=1 2"',)


@pytest.mark.parametrize(
    ("run", "code", "found"),
    [
        ("go build -toolexec=/w/x main.go", "gobuild.flag", "-toolexec=/w/x"),
        ("go build --toolexec /w/x main.go", "gobuild.flag", "--toolexec"),
        ("go build -exec x", "gobuild.flag", "-exec"),
        ("go build -overlay=o.json", "gobuild.flag", "-overlay=o.json"),
        ("go build -modfile=m", "gobuild.flag", "-modfile=m"),
        ("go build -C /", "gobuild.flag", "-C"),
        ("go build -race main.go", "gobuild.flag", "-race"),
        ("go build -tags -toolexec=x main.go", "gobuild.value", "-toolexec=x"),
        ("go build -o", "gobuild.value", "-o"),
        ("go build main.go -toolexec=x", "gobuild.package", "-toolexec=x"),
        ("go build /etc/x.go", "gobuild.package", "/etc/x.go"),
        ("go build ../x.go", "gobuild.package", "../x.go"),
        ("go build a/../../x.go", "gobuild.package", "a/../../x.go"),
        ("go build -ldflags='-extld=/w/x'", "gobuild.linker-flag", "-extld=/w/x"),
        ("go build -ldflags='-extldflags -fplugin=x'", "gobuild.linker-flag", "-extldflags -fplugin=x"),
        ("go build -ldflags='-linkmode external'", "gobuild.linker-flag", "-linkmode external"),
        ("go build -ldflags='-linkmode=external'", "gobuild.linker-flag", "-linkmode external"),
        ("go build $FLAGS", "gobuild.shell", "$"),
        ("go build `cat x`", "gobuild.shell", "`"),
        ("go build *.go", "gobuild.shell", "*"),
        ("go build; rm x", "gobuild.shell", ";"),
        ("go build | tee x", "gobuild.shell", "|"),
        ("go build > x", "gobuild.shell", ">"),
        ("go build 'x", "gobuild.quotes", None),
        ("go build && upx app", "gobuild.other-command", "upx app"),
        ("sh -c 'go build'", "gobuild.other-command", "sh -c go build"),
        ("PATH=/w go version && go build", "gobuild.other-command", "PATH=/w go version"),
        ("--network=host go build", "gobuild.run-option", "--network=host"),
        ("--mount=type=secret,id=x go build", "gobuild.run-option", "--mount=type=secret,id=x"),
        ("go build && go build", "gobuild.several", None),
        ("go vet", "gobuild.not-found", None),
    ],
)
def test_everything_else_is_refused_naming_the_word(run: str, code: str, found: str | None) -> None:
    assert refused(run) == (code, found)


def test_a_refusal_names_the_line_and_what_is_allowed() -> None:
    refusal = stated("go build -toolexec=x")
    assert isinstance(refusal, Refusal)
    assert refusal.line == 4
    assert refusal.message.params["allowed"] == "-tags, -trimpath, -ldflags, -o"


def test_two_builds_in_one_file_are_ambiguous() -> None:
    assert refused("go build main.go\nRUN go build other.go")[0] == "gobuild.several"


def test_files_copied_into_another_layout_are_noticed() -> None:
    assert not accepted("go build main.go", "COPY src/ ./\n").copied
    assert not accepted("go build main.go", "COPY go.mod /elsewhere/\n").copied
    assert accepted("go build main.go", "COPY . .\n").copied


WORDS = st.one_of(
    st.sampled_from(["go", "build", "&&", ";", "|", "main.go", ".", "../x", "''", '"']),
    st.sampled_from(["-o", "-tags", "-tags=netgo", "-trimpath", "--trimpath", "-ldflags", "-ldflags=-s", "-C"]),
    st.sampled_from(["-toolexec", "-toolexec=x", "-exec", "-overlay=a", "-ldflags=-extld=x", "CGO_ENABLED=0"]),
    st.sampled_from(["-ldflags=-linkmode=external", "GOFLAGS=-toolexec=x"]),
    st.text(alphabet="-=ao./ \"'$&", max_size=8),
)


@given(st.lists(WORDS, max_size=8))
def test_no_accepted_vector_holds_a_flag_outside_the_list(words: list[str]) -> None:
    build = stated("go build " + " ".join(words))
    if isinstance(build, GoBuild):
        assert {f.partition("=")[0] for f in build.flags} <= set(ALLOW) - {"-o"}
        assert not any(p.startswith(("-", "/")) or ".." in p.split("/") for p in build.packages)
        assert set(build.env.items()) <= set(SOURCE.env.items())
        for flag in build.flags:
            if flag.startswith("-ldflags="):
                linker = {w.partition("=")[0] for w in shlex.split(flag.partition("=")[2])}
                assert linker <= {"-s", "-w", "-X", "-buildid", "-linkmode", "-extldflags"}


@given(st.text())
def test_any_command_is_read_or_refused_and_never_raises(text: str) -> None:
    stated("go build " + text)


def test_a_lab_cannot_allow_a_flag_that_runs_code() -> None:
    for flag in ("-toolexec", "-overlay", "-modfile", "-C", "-gcflags", "-asmflags", "-compiler"):
        assert flag not in SWITCHES | set(VALUES)
        generous = SOURCE.model_copy(update={"allow": (*ALLOW, flag)})
        assert isinstance(go_build_argv(f"FROM a\nRUN go build {flag}=x .", generous), Refusal)
