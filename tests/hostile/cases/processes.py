"""Programs that take all processes, all memory or all time, or stay when they should be gone."""

from __future__ import annotations

from tests.hostile.catalogue import Case, Family, Outcome
from tests.hostile.making import native


def _stopped(code: str) -> Outcome:
    return Outcome(
        facts={"native.binary_size@build": "measured", "native.cli_output@process": f"failed {code}"},
        criteria={"t1.once": "fail"},
    )


_ANSWERED = Outcome(facts={"native.cli_output@process": "measured"})
_NOT_WITHOUT = frozenset({"cgroups"})


def _seen(words: str) -> Outcome:
    return Outcome(
        facts={"native.cli_output@process": "measured"}, prints={"steps/probe-once-native-process/stdout": words}
    )


_AGAIN = """
func again(how string) *exec.Cmd {
	child := exec.Command("/proc/self/exe", how)
	child.Env = os.Environ()
	return child
}
"""

_FORK_BOMB = """
	for {
		if again("").Start() != nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
"""

_THREAD_BOMB = """
	for i := 0; i < 400; i++ {
		go func() {
			runtime.LockOSThread()
			select {}
		}()
	}
	time.Sleep(time.Minute)
"""

_MEMORY = """
	for i := 0; i < 4; i++ {
		go func() {
			for {
				block, _ := syscall.Mmap(-1, 0, 64<<20, 3, syscall.MAP_ANON|syscall.MAP_PRIVATE)
				syscall.Madvise(block, 14) // large pages, where the host has them: sooner full
				for i := 0; i < len(block); i += 4096 {
					block[i] = 1
				}
			}
		}()
	}
	select {}
"""

_MEMORY_FILE = """
	name := []byte("hostile\\x00")
	block := make([]byte, 16<<20)
	memfdCreate := map[string]uintptr{"amd64": 319, "arm64": 279}[runtime.GOARCH]
	for {
		fd, _, no := syscall.Syscall(memfdCreate, uintptr(unsafe.Pointer(&name[0])), 0, 0)
		if no != 0 {
			panic(no)
		}
		for n := 0; n < 32; n++ {
			syscall.Write(int(fd), block)
		}
	}
"""

_MEMORY_OF_CHILDREN = """
	if len(os.Args) > 1 {
		block := make([]byte, 160<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		time.Sleep(time.Minute)
	}
	for i := 0; i < 20; i++ {
		again("eat").Start()
	}
	var status syscall.WaitStatus
	pid, _ := syscall.Wait4(-1, &status, 0, nil) // the others sleep: the first to end was killed
	fmt.Fprintln(os.Stderr, "child", pid, "ended by", status.Signal())
	os.Exit(1)
"""

_FULL_TMP = """
	block := make([]byte, 16<<20)
	var err error
	for n := 0; err == nil; n++ {
		var file *os.File
		file, err = os.Create(fmt.Sprint("/tmp/hostile-", n))
		for i := 0; i < 16 && err == nil; i++ {
			_, err = file.Write(block)
		}
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
"""

_SPARSE_FILE = """
	signal.Ignore(syscall.SIGXFSZ)
	file, err := os.Create("/tmp/hostile")
	if err == nil {
		err = file.Truncate(1 << 40)
	}
	answer(fmt.Sprint(err))
"""

_IGNORE = """
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	time.Sleep(time.Hour)
"""

_BUSY = """
	for i := 0; i < 64; i++ {
		go func() {
			runtime.LockOSThread()
			for {
			}
		}()
	}
	select {}
"""

_DAEMON = """
	if len(os.Args) > 1 && os.Args[1] == "second" {
		time.Sleep(time.Hour)
	}
	next := again("second")
	if len(os.Args) == 1 {
		next = again("first")
	}
	next.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	%s
	if err := next.Start(); err != nil {
		panic(err)
	}
	if len(os.Args) == 1 {
		next.Wait()
		answer("left one behind")
	}
"""

_ZOMBIES = """
	if len(os.Args) > 1 {
		return
	}
	made := 0
	for i := 0; i < 100; i++ {
		if again("end").Start() == nil {
			made++
		}
	}
	answer(fmt.Sprint(made, " children unreaped"))
"""

_KILL_ALL = """
	seen := ""
	for _, pid := range []int{-1, 1, os.Getppid()} {
		seen += fmt.Sprint(pid, " ", syscall.Kill(pid, syscall.SIGKILL), "; ")
	}
	answer(seen)
"""

_STOP = """
	syscall.Kill(-1, syscall.SIGSTOP)
	syscall.Kill(os.Getppid(), syscall.SIGSTOP)
	syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	time.Sleep(time.Hour)
"""

_CORE = """
	debug.SetTraceback("crash")
	os.Chdir("/tmp")
	panic("hostile core")
"""

FAMILY = Family(
    "processes",
    "Processes, threads, memory and time.",
    (
        Case(
            "fork-bomb",
            "Every process starts itself again for ever.",
            native(_FORK_BOMB, "os/exec", top=_AGAIN),
            ("process cap", "time cap", "process namespace"),
            _stopped("run.timeout"),
        ),
        Case(
            "thread-bomb",
            "Asks for 400 operating system threads.",
            native(_THREAD_BOMB, "runtime"),
            ("process cap",),
            _stopped("run.pids-limit"),
            without_cgroups=_stopped("probe.exit"),
        ),
        Case(
            "endless-loop",
            "Computes for ever.",
            native("\tfor {\n\t}"),
            ("time cap",),
            _stopped("run.timeout"),
        ),
        Case(
            "busy-threads",
            "64 threads keep every CPU busy.",
            native(_BUSY, "runtime"),
            ("time cap",),
            _stopped("run.timeout"),
        ),
        Case(
            "sleeper",
            "Ignores every signal that can be ignored, and sleeps for an hour.",
            native(_IGNORE, "os/signal", "syscall"),
            ("time cap",),
            _stopped("run.timeout"),
        ),
        Case(
            "stopper",
            "Stops all processes it can signal, and itself, so that nothing is left to end.",
            native(_STOP, "syscall"),
            ("time cap", "process namespace"),
            _stopped("run.timeout"),
        ),
        Case(
            "memory-hog",
            "Its heap grows until the host has none left.",
            native(_MEMORY, "syscall"),
            ("memory cap",),
            _stopped("run.memory-limit"),
            pace="slow runs",
            never_without=_NOT_WITHOUT,
        ),
        Case(
            "memory-hog-in-a-nameless-file",
            "Fills a memfd, which no limit of a process counts.",
            native(_MEMORY_FILE, "runtime", "syscall", "unsafe"),
            ("memory cap",),
            _stopped("run.memory-limit"),
            pace="slow runs",
            never_without=_NOT_WITHOUT,
        ),
        Case(
            "memory-hog-in-children",
            "Spreads 3 GiB over 20 processes, each of modest size.",
            native(_MEMORY_OF_CHILDREN, "os/exec", "syscall", top=_AGAIN),
            ("memory cap",),
            _stopped("run.memory-limit"),
            pace="slow runs",
            never_without=_NOT_WITHOUT,
        ),
        Case(
            "fills-tmp",
            "Writes to `/tmp`, which lies in memory, until that is full.",
            native(_FULL_TMP),
            ("disk cap",),
            Outcome(
                facts={"native.cli_output@process": "failed probe.exit"},
                prints={"steps/probe-once-native-process/stderr": "no space left on device"},
            ),
        ),
        Case(
            "sparse-file",
            "Makes a file of 1 TiB that takes no room, for whoever copies it.",
            native(_SPARSE_FILE, "os/signal", "syscall"),
            ("disk cap",),
            _seen("file too large"),
        ),
        Case(
            "daemon",
            "Forks twice into sessions of their own, answers, and leaves the last process to stay.",
            native(_DAEMON % "", "os/exec", "syscall", top=_AGAIN),
            ("process namespace",),
            _seen("left one behind"),
        ),
        Case(
            "daemon-that-holds-the-pipe",
            "Forks twice as `daemon` does, and what stays keeps our end of its output open.",
            native(_DAEMON % "next.Stdout, next.Stderr = os.Stdout, os.Stderr", "os/exec", "syscall", top=_AGAIN),
            ("process namespace",),
            _seen("left one behind"),
        ),
        Case(
            "zombies",
            "Starts 100 children, waits for none, and answers.",
            native(_ZOMBIES, "os/exec", top=_AGAIN),
            ("process namespace",),
            _seen("children unreaped"),
        ),
        Case(
            "kill-everything",
            "Sends SIGKILL to -1, to process 1 and to its parent.",
            native(_KILL_ALL, "syscall"),
            ("process namespace", "user"),
            _ANSWERED,
        ),
        Case(
            "core-dump",
            "Aborts, so that a core file or the host's crash handler shows what it left in memory.",
            native(_CORE, "runtime/debug"),
            ("disk cap",),
            _stopped("probe.signal"),
        ),
    ),
)
