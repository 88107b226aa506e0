"""Make submissions: Go programs, WebAssembly modules, Dockerfiles and reports, all written here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import wasmtime

from tests.hostile.catalogue import Place

Make = Callable[[Place], Path]

DOCKERFILE = """\
FROM golang:1.21-alpine AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 GOOS=linux go build -tags netgo -trimpath -ldflags="-s -w -extldflags=-static" -o program main.go
FROM scratch
COPY --from=build /src/program /program
ENTRYPOINT ["/program"]
"""

HONEST_MODULE = Path(__file__).with_name("honest.wat")
"""Answers once as the lab asks, in 1 kB: neither a compiler nor a second of compiling stands before its run."""

SILENT_MODULE = '(module (func (export "_start")))'
"""Compiles and runs, and prints nothing: stands beside a native attack so that no second build is made."""

_GO = """\
package main

import (
{imports}
)

// answer prints what the probe expects, with what was seen beside it.
func answer(seen string) {{
	now := time.Now().UTC()
	wall := now.Add(3 * time.Hour).Format("2006-01-02 15:04:05")
	fmt.Printf("{{\\"moscow_time\\": %q, \\"timestamp\\": %d, \\"seen\\": %q}}\\n", wall, now.Unix(), seen)
}}

{top}

func main() {{
	if os.Getenv("MODE") != "once" {{
{otherwise}
		return
	}}
{body}
}}
"""


def program(body: str, *imports: str, top: str = "", otherwise: str = "") -> str:
    """Return a Go program that does `body` where it is to answer once, and else `otherwise` before it ends."""
    lines = "\n".join(f'\t"{name}"' for name in sorted({"fmt", "os", "time", *imports}))
    return _GO.format(imports=lines, top=top.strip(), body=body.strip("\n"), otherwise=otherwise.strip("\n"))


def quoted(text: object) -> str:
    """Return a text of ours as Go writes it in source."""
    return json.dumps(str(text))


def wasm(text: str) -> bytes:
    """Return the module that a text in the WebAssembly text format describes."""
    return bytes(wasmtime.wat2wasm(text))


def padded(module: bytes, size: int) -> bytes:
    """Return a module that has `size` bytes with a section that every engine skips, 7 bytes at least."""
    content = size - len(module) - 6  # its first byte says that the section has no name
    length = bytes(content >> shift & 0x7F | (0x80 if shift < 28 else 0) for shift in range(0, 35, 7))
    return module + b"\0" + length + bytes(content)


def write(folder: Path, **files: str | bytes) -> Path:
    """Write files by name (`__` for a dot, `___` for a slash) and return the folder."""
    for name, content in files.items():
        put(folder, name.replace("___", "/").replace("__", "."), content)
    return folder


def put(folder: Path, path: str, content: str | bytes) -> Path:
    """Write one file below `folder`."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
    return target


_SERVER = """
func honest(c net.Conn, path string) {{
	kind, body := "text/html; charset=utf-8", "<!doctype html><p>It is now in Moscow</p>"
	if path == "/api/time" {{
		now := time.Now().UTC()
		wall := now.Add(3 * time.Hour).Format("2006-01-02 15:04:05")
		kind, body = "application/json", fmt.Sprintf("{{\\"moscow_time\\": %q, \\"timestamp\\": %d}}", wall, now.Unix())
	}}
	fmt.Fprintf(c, "HTTP/1.1 200 OK\\r\\nContent-Type: %s\\r\\nContent-Length: %d\\r\\n\\r\\n%s", kind, len(body), body)
}}

// reply answers the n-th request, which is for path.
func reply(c net.Conn, path string, n int) {{
{body}
}}

func serve() {{
	listener, err := net.Listen("tcp", ":{port}")
	if err != nil {{
		panic(err)
	}}
	for n := 1; ; n++ {{
		c, err := listener.Accept()
		if err != nil {{
			continue
		}}
		go func(n int) {{
			defer c.Close()
			request := make([]byte, 4096)
			if m, _ := c.Read(request); m > 0 {{
				_, rest, _ := strings.Cut(string(request[:m]), " ")
				path, _, _ := strings.Cut(rest, " ")
				reply(c, path, n)
			}}
		}}(n)
	}}
}}
"""


def server(body: str, *imports: str, top: str = "", port: int = 8080) -> str:
    """Return a Go program that only serves: `body` is each reply.  It prints nothing where it is asked by CGI or once.

    Otherwise every case would wait for the time cap a second time.
    """
    parts = _SERVER.format(body=body.strip("\n"), port=port) + top
    serve = '\t\tif os.Getenv("REQUEST_METHOD") == "" {\n\t\t\tserve()\n\t\t}'
    return program("", "net", "strings", *imports, top=parts, otherwise=serve)


def native(body: str, *imports: str, top: str = "") -> Make:
    """Return how to make a submission whose native program attacks."""
    return source(lambda place: program(body, *imports, top=top))


def source(text: Callable[[Place], str], dockerfile: str = DOCKERFILE, **files: str | bytes) -> Make:
    """Return how to make a submission of one Go file, which may name what of the host it aims at."""

    def make(place: Place) -> Path:
        folder = write(place.folder / "lab", main__go=text(place), Dockerfile=dockerfile, **files)
        put(folder, "main.wasm", wasm(SILENT_MODULE))
        return folder

    return make


def dockerfile(text: str) -> Make:
    """Return how to make a submission whose program is honest and whose Dockerfile is not."""
    return source(lambda place: program('\tanswer("")'), text)


def command(line: str, before: str = "") -> Make:
    """Return how to make a submission whose Dockerfile builds with this command."""
    return dockerfile(f"FROM golang:1.21-alpine\nWORKDIR /src\nCOPY . .\n{before}RUN {line}\n")


def module(data: bytes | str) -> Make:
    """Return how to make a submission that is only a committed module, given as bytes or as text format."""

    def make(place: Place) -> Path:
        put(place.folder / "lab", "main.wasm", wasm(data) if isinstance(data, str) else data)
        return place.folder / "lab"

    return make


HEAD = "| Metric | Traditional Container | WASM Container | Improvement | Notes |\n|---|---|---|---|---|\n"


def table(rows: Sequence[Sequence[str]] = ()) -> str:
    """Return a comparison table with these rows, by default an honest one."""
    rows = rows or (
        ("Binary Size", "4.48 MiB", "2.34 MiB", "47.8 % smaller", ""),
        ("Image Size", "4.70 MB", "0.84 MB", "82.1 % smaller", ""),
        ("Startup Time (CLI)", "400 ms", "520 ms", "0.77x (slower)", ""),
        ("Memory Usage", "1.59 MiB", "N/A", "N/A", ""),
        ("Base Image", "scratch", "scratch", "same", ""),
        ("Source Code", "main.go", "main.go", "identical", ""),
        ("Server Mode", "works", "not under ctr", "N/A", ""),
    )
    return HEAD + "".join("| " + " | ".join(row) + " |\n" for row in rows)


def report(text: str | bytes) -> Make:
    """Return how to make a submission that is only a report."""

    def make(place: Place) -> Path:
        put(place.folder / "lab", "submission12.md", text)
        return place.folder / "lab"

    return make
