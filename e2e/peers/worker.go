package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// startLimit is how long a peer may take until it has its model, stopLimit until
// it has ended when asked to.
const (
	startLimit = 3 * time.Minute
	stopLimit  = 10 * time.Second
)

// worker is a peer that runs, in a process of its own.
type worker interface {
	// score scores a call and tells how long that took.
	score(ctx context.Context, c call) ([]float64, time.Duration, error)
	versions() map[string]string
	pid() int
	stop()
}

// process is a child with the last lines of what it printed.
type process struct {
	cmd  *exec.Cmd
	said tail
	done chan struct{} // closed when it has ended
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	t.kept = t.kept[max(0, len(t.kept)-2000):]
	return len(p), nil
}

// environment is what every peer is told: two threads, and no network.
func environment() []string {
	two := strconv.Itoa(threads)
	return append(os.Environ(), "OMP_NUM_THREADS="+two, "MKL_NUM_THREADS="+two, "GOMAXPROCS="+two, "RAYON_NUM_THREADS="+two,
		"HF_HUB_OFFLINE=1", "DO_NOT_TRACK=1", "INFINITY_ANONYMOUS_USAGE_STATS=0", "TOKENIZERS_PARALLELISM=true")
}

// launch starts a process, with what its environment has beyond all peers'. It is
// stopped by stop, and with the command's context.
func launch(dir string, cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(environment(), cmd.Env...), &p.said
	if cmd.Stdout == nil {
		cmd.Stdout = &p.said
	}
	// A program that is asked to end takes its own children with it.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopLimit
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // how it ended nobody asks: it should not have
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // one that has ended needs none
	select {
	case <-p.done:
	case <-time.After(stopLimit):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// reason is the end of what a process said before it failed, which it may be about to.
func (p *process) reason() string {
	select {
	case <-p.done:
	case <-time.After(time.Second):
	}
	p.said.mu.Lock()
	defer p.said.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(p.said.kept)), "\n")
	return lines[len(lines)-1]
}

// pipe is a worker that answers lines of JSON: see python/worker.py.
type pipe struct {
	*process

	in   io.WriteCloser
	out  *bufio.Reader
	told map[string]string
}

func startPipe(ctx context.Context, name string, args ...string) (worker, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = write
	p := &pipe{in: in, out: bufio.NewReaderSize(read, 1<<20)}
	p.process, err = launch("", cmd)
	_ = write.Close() // the child has its own
	if err != nil {
		return nil, err
	}
	slow := time.AfterFunc(startLimit, func() { _ = cmd.Process.Kill() })
	defer slow.Stop()
	var first struct{ Versions map[string]string }
	if err := p.receive(&first); err != nil {
		p.stop()
		return nil, fmt.Errorf("%w: %s", err, p.reason())
	}
	p.told = first.Versions
	return p, nil
}

func (p *pipe) versions() map[string]string { return p.told }

func (p *pipe) receive(into any) error {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("it ended: %w", err)
	}
	return json.Unmarshal(line, into)
}

func (p *pipe) score(_ context.Context, c call) ([]float64, time.Duration, error) {
	line, err := json.Marshal(asked{Query: c.query, Passages: c.passages})
	if err != nil {
		return nil, 0, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return nil, 0, err
	}
	var a answered
	if err := p.receive(&a); err != nil {
		return nil, 0, fmt.Errorf("%w: %s", err, p.reason())
	}
	if len(a.Scores) != len(c.passages) {
		return nil, 0, errors.New("another number of scores than of passages")
	}
	return a.Scores, time.Duration(a.Seconds * float64(time.Second)), nil
}

func (p *pipe) stop() {
	_ = p.in.Close()
	p.process.stop()
}

// asked and answered are the lines of the protocol.
type asked struct {
	Query    string   `json:"query"`
	Passages []string `json:"passages"`
}

type answered struct {
	Seconds float64   `json:"seconds"`
	Scores  []float64 `json:"scores"`
}
