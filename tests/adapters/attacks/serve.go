package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// serve answers on a port: "/" with HTML, "/api/time" with JSON, "/reach?ADDRESS" with whether it can connect there.
//
// args: port, word (part of every answer), then how it misbehaves: "stays", "logs", "floods", "forks", "ends", "by-name".
func serve(args []string) {
	how := strings.Join(args[2:], " ")
	if strings.Contains(how, "stays") {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	}
	if strings.Contains(how, "forks") {
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGTERM)
		go func() {
			<-told
			again(&syscall.SysProcAttr{Setsid: true}, "sleep", "600", args[1]).Start()
			fmt.Println("forked at the end")
			os.Exit(0)
		}()
	}
	host := ""
	if strings.Contains(how, "by-name") {
		host = "localhost"
	}
	listener, err := net.Listen("tcp", host+":"+args[0])
	if err != nil {
		fmt.Println("held:", err)
		os.Exit(4)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			continue
		}
		go answer(connection, args[1], how)
	}
}

func answer(connection net.Conn, word string, how string) {
	defer connection.Close()
	lines := bufio.NewReader(connection)
	request, _ := lines.ReadString('\n')
	for line := request; strings.TrimSpace(line) != ""; {
		line, _ = lines.ReadString('\n')
	}
	path, kind, body := "", "text/html", "<p>"+word+"</p>"
	fmt.Sscanf(request, "GET %s", &path)
	if path == "/api/time" {
		kind, body = "application/json", fmt.Sprintf("{\"word\": %q, \"unix\": %d}", word, time.Now().Unix())
	}
	if address, asked := strings.CutPrefix(path, "/reach?"); asked {
		_, err := net.DialTimeout("tcp", address, 2*time.Second)
		kind, body = "text/plain", fmt.Sprint(err)
	}
	if strings.Contains(how, "logs") {
		fmt.Println(strings.Repeat("log ", 32<<10))
	}
	for strings.Contains(how, "floods") {
		fmt.Println(strings.Repeat("flood ", 1<<10))
	}
	fmt.Fprintf(connection, "HTTP/1.0 200 OK\r\nContent-Type: %s\r\n\r\n%s", kind, body)
	if strings.Contains(how, "ends") {
		connection.Close()
		os.Exit(3)
	}
}

// touch uses so many MiB of memory of its own, holds them for so many milliseconds, and prints the most that this
// process had by its own count.
func touch(mebibytes, milliseconds int) {
	block, err := syscall.Mmap(-1, 0, mebibytes<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	fmt.Println("touched", mebibytes)
}
