// Command rerankd is a search proxy for Elasticsearch that reranks hits in its
// own process. See `rerankd help`.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "unversioned"

func main() {
	// Two places: the first signal asks to end, the second insists.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(os.Args[1:], outside{environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr, signals: signals}))
}
