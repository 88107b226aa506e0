"""Servers that stall, flood, mislead or outlive whoever asks them, and CGI answers that are none."""

from __future__ import annotations

from tests.hostile.catalogue import Case, Family, Outcome, Place
from tests.hostile.making import Make, module, quoted, server, source

_FACT = "native.server_mode@process"


def _failed(code: str, *never: str, or_: str = "") -> Outcome:
    return Outcome(
        facts={_FACT: f"failed {code}{' or ' + or_ if or_ else ''}"}, criteria={"t1.server": "fail"}, never=never
    )


_SERVED = Outcome(facts={_FACT: "measured"})


def _serving(body: str, *imports: str, top: str = "", port: int = 8080) -> Make:
    return source(lambda place: server(body, *imports, top=top, port=port))


_TRICKLE = """
	fmt.Fprint(c, "HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\nContent-Length: 1000000\\r\\n\\r\\n<")
	for {
		if _, err := c.Write([]byte("x")); err != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
"""

_SLOW_HEAD = """
	fmt.Fprint(c, "HTTP/1.1 200 OK\\r\\n")
	for {
		if _, err := fmt.Fprint(c, "X: y\\r\\n"); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
"""

_ENDLESS_BODY = """
	fmt.Fprint(c, "HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\n\\r\\n<p>")
	block := []byte(strings.Repeat("x", 1<<16))
	for {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
"""

_ENDLESS_HEAD = """
	fmt.Fprint(c, "HTTP/1.1 200 OK\\r\\n")
	block := []byte(strings.Repeat("X: y\\r\\n", 1<<10))
	for {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
"""

_ENDLESS_LINE = """
	fmt.Fprint(c, "HTTP/1.1 200 OK\\r\\nX: ")
	block := []byte(strings.Repeat("x", 1<<16))
	for {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
"""

_INTERIM = """
	block := []byte(strings.Repeat("HTTP/1.1 100 Continue\\r\\n\\r\\n", 1<<10))
	for {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
"""

_CHUNKS = """
	fmt.Fprint(c, "HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
	fmt.Fprint(c, "3\\r\\n<p>\\r\\n", %s, "\\r\\n<p>\\r\\n")
"""

_LENGTH = """
	fmt.Fprint(c, "HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\nContent-Length: 999999999999999999\\r\\n\\r\\n<p>")
"""

_ESCAPES = """
	fmt.Fprint(c, "HTTP/1.1 200 \\x1b]0;hostile\\x07\\r\\nContent-Type: \\x1b[2J\\xe2\\x80\\xae<script>\\r\\n\\r\\n<p>")
"""

_HALF = """
	if path == "/" {
		honest(c, path)
		return
	}
	fmt.Fprint(c, "HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\n\\r\\n")
"""

_LATE = """
	if path == "/" {
		honest(c, path)
		return
	}
	body := fmt.Sprintf("{\\"moscow_time\\": \\"2026-11-21 12:00:00\\", \\"timestamp\\": %d}", time.Now().Unix()+10800)
	fmt.Fprint(c, "HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\n\\r\\n", body)
"""

_DIES = """
	if n > 10 {
		os.Exit(0)
	}
	honest(c, path)
"""

_LEAK = """
	block, _ := syscall.Mmap(-1, 0, 64<<20, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	honest(c, path)
"""

_FLOODS = """
	go func() {
		block := []byte(strings.Repeat("hostile\\n", 1<<12))
		for {
			os.Stderr.Write(block)
		}
	}()
	time.Sleep(time.Minute)
	honest(c, path)
"""

_STAYS = """
func init() {
	if len(os.Args) > 1 {
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
		time.Sleep(time.Hour)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		for range asked {
			for i := 0; i < 8; i++ {
				child := exec.Command("/proc/self/exe", "stay")
				child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				child.Start()
			}
			os.Exit(0)
		}
	}()
}
"""


def _elsewhere(place: Place) -> str:
    location = quoted(f"http://{place.listeners['routable']}/")
    return server(
        f'\tfmt.Fprint(c, "HTTP/1.1 302 Found\\r\\nLocation: ", {location}, "\\r\\nContent-Length: 0\\r\\n\\r\\n")'
    )


_PRINT = """
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 20)
  (data (i32.const 0) "\\20\\00\\00\\00{size}")
  (data (i32.const 32) "{text}")
  (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))
"""


def _printing(text: bytes) -> Make:
    """Return how to make a module that prints these bytes, whatever it is asked."""
    size = "".join(f"\\{byte:02x}" for byte in len(text).to_bytes(4, "little"))
    return module(_PRINT.format(size=size, text="".join(f"\\{byte:02x}" for byte in text)))


def _cgi(code: str) -> Outcome:
    return Outcome(facts={"wasm.wagi_output@wasmtime": f"failed {code}"}, never=("\x1b",))


def _case(name: str, tries: str, make: Make, held_by: str, expect: Outcome) -> Case:
    return Case(name, tries, make, (held_by,), expect)


FAMILY = Family(
    "servers",
    "Servers and CGI programs.",
    (
        _case(
            "trickling-body",
            "Sends a byte of its body now and then, so that no single read times out.",
            _serving(_TRICKLE),
            "answer caps",
            _failed("answer.timeout"),
        ),
        _case(
            "trickling-head",
            "Sends a header now and then.",
            _serving(_SLOW_HEAD),
            "answer caps",
            _failed("answer.timeout"),
        ),
        _case(
            "endless-body",
            "Its body never ends.",
            _serving(_ENDLESS_BODY, "strings"),
            "answer caps",
            _failed("answer.too-large"),
        ),
        _case(
            "endless-head",
            "Its headers never end.",
            _serving(_ENDLESS_HEAD, "strings"),
            "answer caps",
            _failed("answer.not-http"),
        ),
        _case(
            "endless-line",
            "One header never ends.",
            _serving(_ENDLESS_LINE, "strings"),
            "answer caps",
            _failed("answer.not-http"),
        ),
        _case(
            "endless-interim-answers",
            "Says `100 Continue` for ever.",
            _serving(_INTERIM, "strings"),
            "answer caps",
            _failed("answer.too-large", or_="answer.timeout"),
        ),
        _case(
            "giant-chunk",
            "A chunk of 16 EiB, of which three bytes come.",
            _serving(_CHUNKS % '"ffffffffffffffff"'),
            "answer caps",
            _failed("answer.chunks"),
        ),
        _case(
            "giant-number-of-a-chunk",
            "A chunk whose size has 5,000 digits.",
            _serving(_CHUNKS % 'strings.Repeat("9", 5000)', "strings"),
            "answer caps",
            _failed("answer.chunks"),
        ),
        _case(
            "giant-length",
            "A Content-Length just below 1 EiB.",
            _serving(_LENGTH),
            "answer caps",
            _failed("answer.cut"),
        ),
        _case(
            "redirects-elsewhere",
            "Redirects whoever asks to a server on the host.",
            source(_elsewhere),
            "answer caps",
            _failed("answer.status"),
        ),
        _case(
            "redirects-to-itself",
            "Redirects to itself for ever.",
            _serving('\tfmt.Fprint(c, "HTTP/1.1 302 Found\\r\\nLocation: /\\r\\nContent-Length: 0\\r\\n\\r\\n")'),
            "answer caps",
            _failed("answer.status"),
        ),
        _case(
            "says-nothing",
            "Takes connections and never answers.",
            _serving("\ttime.Sleep(time.Hour)"),
            "answer caps",
            _failed("answer.timeout"),
        ),
        _case(
            "hangs-up",
            "Takes connections and closes them.",
            _serving("\treturn"),
            "answer caps",
            _failed("answer.closed"),
        ),
        _case(
            "other-port",
            "Listens on another port than it should.",
            _serving("\thonest(c, path)", port=9090),
            "answer caps",
            _failed("server.no-answer"),
        ),
        _case(
            "header-escapes",
            "Terminal escapes, bidi marks and HTML in the status line and the type.",
            _serving(_ESCAPES),
            "escaping",
            _failed("answer.type", "\x1b", "\u202e"),
        ),
        _case(
            "one-route-of-two",
            "Answers only the route that is asked first.",
            _serving(_HALF),
            "strict answers",
            _failed("answer.status"),
        ),
        _case(
            "wrong-time", "Serves a time three hours off.", _serving(_LATE), "strict answers", _failed("answer.not-now")
        ),
        _case(
            "dies-after-ten",
            "Ends after ten answers, which one look would not see.",
            _serving(_DIES),
            "strict answers",
            _failed("server.exited-later"),
        ),
        Case(
            "leaks",
            "Takes 64 MiB for every request.",
            _serving(_LEAK, "syscall"),
            ("memory cap",),
            _failed("run.memory-limit"),
            never_without=frozenset({"cgroups"}),
        ),
        _case(
            "floods",
            "Floods stderr while it is asked.",
            _serving(_FLOODS, "strings"),
            "output cap",
            _failed("run.output-limit"),
        ),
        _case(
            "forks-when-told-to-stop",
            "Answers SIGTERM with eight new processes that ignore it, and ends.",
            _serving("\thonest(c, path)", "os/exec", "os/signal", "syscall", top=_STAYS),
            "process namespace",
            _SERVED,
        ),
        _case(
            "cgi-headers",
            "Prints 100,000 headers.",
            _printing(b"X: y\n" * 100_000),
            "strict answers",
            _cgi("cgi.too-many"),
        ),
        _case(
            "cgi-header-twice",
            "Prints two types.",
            _printing(b"Content-Type: text/html\nContent-Type: text/plain\n\n<p>"),
            "strict answers",
            _cgi("cgi.twice"),
        ),
        _case(
            "cgi-blanks",
            "Prints a header with 900,000 blanks inside, which a pattern may try again from each one.",
            _printing(b"X: a" + b" " * 900_000 + b"b\nStatus: fine\n\n"),
            "strict answers",
            _cgi("cgi.bad-status"),
        ),
        _case(
            "cgi-escapes",
            "Prints a terminal escape in a header.",
            _printing(b"Content-Type: \x1b[2Jtext/html\n\n<p>"),
            "escaping",
            _cgi("cgi.not-a-header"),
        ),
        _case(
            "cgi-no-end",
            "Prints headers without the empty line that ends them.",
            _printing(b"Content-Type: text/html\n" + b"x" * 900_000),
            "strict answers",
            _cgi("cgi.no-end"),
        ),
    ),
)
