package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startLimit bounds the start of the program, which loads its model.
const startLimit = 2 * time.Minute

// process is a program under load, in a process of its own.
type process struct {
	cmd        *exec.Cmd
	url, admin string
	drained    chan struct{} // closed when its log has ended
}

// startProcess starts the program at path before a cluster and returns when it is
// ready. Its warnings go to stderr. It must be stopped.
func startProcess(ctx context.Context, path, upstream string, cacheBytes int) (*process, error) {
	cmd := exec.CommandContext(ctx, path, "serve", "--listen", "127.0.0.1:0", "--admin.listen", "127.0.0.1:0",
		"--upstream.urls", upstream, "--cache.bytes", strconv.Itoa(cacheBytes))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, drained: make(chan struct{})}
	addresses := make(chan [2]string, 1)
	go func() {
		defer close(p.drained)
		follow(log, addresses)
	}()
	if err := p.await(ctx, addresses); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// follow reads the program's log: it tells the addresses that the program listens
// on, proxy first, and prints what is worse than information.
func follow(log io.Reader, addresses chan<- [2]string) {
	var found [2]string
	lines := bufio.NewReader(log)
	for {
		text, err := lines.ReadString('\n')
		var line struct{ Level, Msg, Address string }
		switch {
		case json.Unmarshal([]byte(text), &line) != nil:
			fmt.Fprint(os.Stderr, text)
		case line.Msg == "admin listener":
			found[1] = line.Address
		case line.Msg == "listening":
			found[0] = line.Address
			addresses <- found
		case line.Level != "INFO" && line.Level != "DEBUG" && line.Msg != "search":
			fmt.Fprint(os.Stderr, text)
		}
		if err != nil {
			return
		}
	}
}

func (p *process) await(ctx context.Context, addresses <-chan [2]string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	select {
	case found := <-addresses:
		p.url, p.admin = "http://"+found[0], "http://"+found[1]
	case <-p.drained:
		return errors.New("the program ended at its start")
	case <-ctx.Done():
		return fmt.Errorf("wait for the program to listen: %w", ctx.Err())
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		status, text, err := p.ask(ctx, "/-/ready")
		if err != nil || status == http.StatusOK {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the program to be ready, it says %s: %w", text, ctx.Err())
		}
	}
}

// ask gets a page of the admin listener.
func (p *process) ask(ctx context.Context, page string) (status int, text string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.admin+page, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// metric sums the samples of a metric over its labels, 0 where there is none.
func (p *process) metric(ctx context.Context, name string) (float64, error) {
	_, text, err := p.ask(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for line := range strings.Lines(text) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if before, _, _ := strings.Cut(series, "{"); before != name {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("read metric %s: %w", name, err)
		}
		sum += v
	}
	return sum, nil
}

// stop ends the program as an operator does. It is an error if it ends with one.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the program: %w", err)
	}
	<-p.drained
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the program ended: %w", err)
	}
	return nil
}
