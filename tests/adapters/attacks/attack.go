// attack tries one way out of a sandbox per run.
//
// It prints "held: <why>" if the way is shut and "escaped: <what>" if it is open, or plain text where the test itself
// judges what was seen.  Nothing here harms a host on which it succeeds.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func judge(err error, escaped string) {
	if err != nil {
		fmt.Println("held:", err)
		return
	}
	fmt.Println("escaped:", escaped)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func raw(nr uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := syscall.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

func again(attributes *syscall.SysProcAttr, args ...string) *exec.Cmd {
	command := exec.Command("/proc/self/exe", args...)
	command.SysProcAttr = attributes
	return command
}

func main() {
	args := os.Args[2:]
	switch os.Args[1] {
	case "mount":
		judge(syscall.Mount("none", args[0], "tmpfs", 0, ""), "mounted over "+args[0])
	case "remount":
		err := syscall.Mount("none", args[0], "", syscall.MS_REMOUNT|syscall.MS_BIND, "")
		judge(err, "remounted "+args[0])
	case "umount":
		judge(syscall.Unmount(args[0], syscall.MNT_DETACH), "unmounted "+args[0])
	case "read":
		data, err := os.ReadFile(args[0])
		judge(err, strconv.Quote(string(data)))
	case "open":
		file, err := os.OpenFile(args[0], os.O_RDWR, 0)
		if err == nil {
			err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		}
		judge(err, "locked "+args[0])
	case "write":
		file, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err == nil {
			_, err = file.Write([]byte(strings.Join(args[1:], " ")))
		}
		judge(err, "wrote "+args[0])
	case "list":
		entries, err := os.ReadDir(args[0])
		names := []string{}
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		judge(err, strings.Join(names, " "))
	case "processes":
		found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, path := range found {
			line, _ := os.ReadFile(path)
			fmt.Printf("%s %q\n", strings.Split(path, "/")[2], line)
		}
	case "signal":
		judge(syscall.Kill(number(args[0]), 0), "can signal "+args[0])
	case "ptrace":
		// A child of our own: even what a user always may.
		child := again(nil, "sleep", "60")
		if err := child.Start(); err != nil {
			panic(err)
		}
		judge(syscall.PtraceAttach(child.Process.Pid), "traces")
		child.Process.Kill()
	case "unshare":
		// A group of user and mount namespaces, as `unshare -Um` makes them; Go's runtime threads forbid unshare(2).
		err := again(&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS}, "exit", "0").Run()
		judge(err, "is root in a user namespace")
	case "connect":
		connection, err := net.DialTimeout(args[0], args[1], 2*time.Second)
		if err == nil {
			connection.Close()
		}
		judge(err, "connected to "+args[1])
	case "loopback":
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			_, err = net.Dial("tcp", listener.Addr().String())
		}
		judge(err, "talks to itself")
	case "family":
		fd, err := syscall.Socket(number(args[0]), syscall.SOCK_DGRAM, 0)
		judge(err, "socket "+strconv.Itoa(fd))
	case "syscalls":
		for _, nr := range args {
			fmt.Println(nr, raw(uintptr(number(nr))))
		}
	case "personality":
		judge(raw(syscall.SYS_PERSONALITY, uintptr(number(args[0]))), "personality "+args[0])
	case "type":
		letter := byte('x')
		judge(raw(syscall.SYS_IOCTL, 0, 0x5412, uintptr(unsafe.Pointer(&letter))), "typed into the terminal")
	case "forkbomb":
		for i := 0; i < 4; i++ {
			if again(nil, "forkbomb", args[0]).Start() != nil {
				break
			}
		}
		time.Sleep(time.Hour)
	case "memory":
		kept := [][]byte{}
		for i := 0; i < number(args[0]); i++ {
			block := make([]byte, 1<<20)
			for j := 0; j < len(block); j += 4096 {
				block[j] = 1
			}
			kept = append(kept, block)
		}
		fmt.Println("escaped:", len(kept), "MiB")
	case "stay":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
		fmt.Println("staying")
		for {
		}
	case "sleep":
		time.Sleep(time.Duration(number(args[0])) * time.Second)
	case "daemon":
		// Twice over, each in a session of its own; the last one carries the mark.
		if args[0] == "1" {
			judge(again(&syscall.SysProcAttr{Setsid: true}, "sleep", "600", args[1]).Start(), "")
			return
		}
		first := again(&syscall.SysProcAttr{Setsid: true}, "daemon", "1", args[1])
		first.Stdout = nil
		first.Run()
		fmt.Println("left one behind")
	case "flood":
		line := []byte(strings.Repeat("x", 1<<16))
		go func() {
			for {
				os.Stderr.Write(line)
			}
		}()
		for {
			os.Stdout.Write(line)
		}
	case "fill":
		file, err := os.Create(args[0])
		block := make([]byte, 1<<20)
		written := 0
		for err == nil && written < number(args[1])<<20 {
			var n int
			n, err = file.Write(block)
			written += n
		}
		fmt.Println(written>>20, "MiB", err)
		if len(args) > 2 {
			time.Sleep(time.Duration(number(args[2])) * time.Second)
		}
	case "deep":
		for i := 0; i < number(args[1]); i++ {
			if os.Chdir(args[0]) != nil {
				break
			}
			args[0] = "d"
			os.Mkdir("d", 0o700)
		}
	case "litter":
		for i := 0; i < number(args[1]); i++ {
			os.Create(filepath.Join(args[0], strconv.Itoa(i)))
		}
	case "setuid":
		os.WriteFile(args[0], []byte("mine"), 0o755)
		os.Symlink(args[1], args[0]+".link")
		judge(os.Chmod(args[0], os.ModeSetuid|os.ModeSetgid|0o755), "set-id")
		os.Chmod(filepath.Dir(args[0]), 0o000)
	case "whoami":
		fmt.Println(os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid())
	case "environment":
		for _, variable := range os.Environ() {
			fmt.Println(variable)
		}
	case "descriptors":
		// By bare system calls, because Go's own poller opens some.
		link := make([]byte, 256)
		found := []string{}
		for fd := 0; fd < 1024; fd++ {
			if n, err := syscall.Readlink(fmt.Sprint("/proc/self/fd/", fd), link); err == nil {
				found = append(found, fmt.Sprint(fd, " ", string(link[:n])))
			}
		}
		fmt.Println(strings.Join(found, "\n"))
	case "limits":
		file, _ := os.Open("/proc/self/limits")
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			fmt.Println(lines.Text())
		}
		priority, _ := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
		fmt.Println("nice", 20-priority)
	case "hostname":
		name, _ := os.Hostname()
		fmt.Println(name)
	case "serve":
		serve(args)
	case "touch":
		touch(number(args[0]), number(args[1]))
	case "abort":
		signal.Reset()
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "exit":
		os.Exit(number(args[0]))
	default:
		panic("unknown: " + os.Args[1])
	}
}
