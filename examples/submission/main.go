// Moscow time from one file, for three callers:
//
//	MODE=once           print one JSON object and exit
//	REQUEST_METHOD set  answer one CGI (WAGI) request on stdout and exit
//	neither             serve HTTP on :8080
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

// Moscow keeps UTC+3 all year.  A fixed zone needs no time zone database, which neither an empty image nor a
// WASM module has.
var moscow = time.FixedZone("MSK", 3*60*60)

// A reading is one instant twice: as a clock on a Moscow wall shows it, and as seconds since 1970 UTC.
type reading struct {
	Wall string `json:"moscow_time"`
	Unix int64  `json:"timestamp"`
}

func read(now time.Time) reading {
	return reading{Wall: now.In(moscow).Format("2006-01-02 15:04:05 MST"), Unix: now.Unix()}
}

// An answer is what a request gets, whether HTTP or CGI carries it.
type answer struct {
	status      int
	contentType string
	body        string
}

func respond(path string, now time.Time) answer {
	switch path {
	case "", "/":
		return answer{http.StatusOK, "text/html; charset=utf-8", page}
	case "/api/time":
		encoded, err := json.Marshal(read(now))
		if err != nil {
			return answer{http.StatusInternalServerError, "text/plain; charset=utf-8", err.Error()}
		}
		return answer{http.StatusOK, "application/json", string(encoded) + "\n"}
	}
	return answer{http.StatusNotFound, "text/plain; charset=utf-8", "no such page\n"}
}

func printOnce(out io.Writer) error {
	encoded, err := json.MarshalIndent(read(time.Now()), "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, string(encoded))
	return err
}

func answerCGI(out io.Writer, path string) error {
	a := respond(path, time.Now())
	// The status line of CGI; a server that reads no `Status:` takes 200.
	if a.status != http.StatusOK {
		fmt.Fprintf(out, "Status: %d %s\n", a.status, http.StatusText(a.status))
	}
	_, err := fmt.Fprintf(out, "Content-Type: %s\n\n%s", a.contentType, a.body)
	return err
}

func serve(address string) error {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a := respond(r.URL.Path, time.Now())
		w.Header().Set("Content-Type", a.contentType)
		w.WriteHeader(a.status)
		io.WriteString(w, a.body)
	})
	log.Printf("Server starting on %s", address)
	return http.ListenAndServe(address, nil)
}

func main() {
	var err error
	switch {
	case os.Getenv("MODE") == "once":
		err = printOnce(os.Stdout)
	case os.Getenv("REQUEST_METHOD") != "":
		err = answerCGI(os.Stdout, os.Getenv("PATH_INFO"))
	default:
		err = serve(":8080")
	}
	if err != nil {
		log.Fatal(err)
	}
}

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Moscow time</title>
<style>
  body { font: 1.25rem/1.5 system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh; }
  output { font-size: 3rem; font-variant-numeric: tabular-nums; }
</style>
<main>
  <p>It is now in Moscow</p>
  <output id="clock">…</output>
  <p>The same as <a href="/api/time">JSON</a></p>
</main>
<script>
  const clock = document.getElementById("clock");
  const tick = () => fetch("/api/time")
    .then((reply) => reply.json())
    .then((now) => { clock.textContent = now.moscow_time; })
    .catch(() => { clock.textContent = "no answer"; });
  tick();
  setInterval(tick, 1000);
</script>
</html>
`
