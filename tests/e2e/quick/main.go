// Moscow time with little behind it, so that it is built and started quickly.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

var moscow = time.FixedZone("MSK", 3*60*60)

func answer(path string) (kind, text string) {
	if path != "/api/time" {
		return "text/html", "<!doctype html><title>Moscow time</title>\n"
	}
	now := time.Now()
	wall := now.In(moscow).Format("2006-01-02 15:04:05 MST")
	return "application/json", fmt.Sprintf(`{"moscow_time": %q, "timestamp": %d}`+"\n", wall, now.Unix())
}

func serve() error {
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go reply(connection)
	}
}

func reply(connection net.Conn) {
	defer connection.Close()
	lines := bufio.NewReader(connection)
	request, _ := lines.ReadString('\n')
	for line := request; strings.TrimSpace(line) != ""; {
		line, _ = lines.ReadString('\n')
	}
	kind, text := answer(strings.Fields(request + " ? ?")[1])
	fmt.Fprintf(connection, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		kind, len(text), text)
}

func main() {
	if os.Getenv("MODE") == "once" {
		_, text := answer("/api/time")
		fmt.Print(text)
	} else if os.Getenv("REQUEST_METHOD") != "" {
		kind, text := answer(os.Getenv("PATH_INFO"))
		fmt.Printf("Content-Type: %s\n\n%s", kind, text)
	} else if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
