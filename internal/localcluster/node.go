package localcluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const (
	// startLimit is how long a server may take from its start to its first
	// healthy answer: about 15 s on two idle cores.
	startLimit = 3 * time.Minute

	// stopGrace is how long a server that was told to end may take before it
	// is killed.
	stopGrace = 10 * time.Second

	// pollEvery is how often the ports file and the health are looked at.
	pollEvery = 100 * time.Millisecond
)

type nodeOptions struct {
	Distribution distribution
	Home         string // the unpacked server
	Java         jdk
	Account      account
	Path         string // PATH for the start script
}

// node is one running server and its temporary folder.
type node struct {
	dir    string
	cmd    *exec.Cmd
	output tail
	exited chan struct{} // closed when the process has ended
}

// startNode runs a server and waits until it is healthy. On error the server is
// gone and its folder removed.
func startNode(ctx context.Context, o nodeOptions) (_ *Cluster, err error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	n := &node{exited: make(chan struct{})}
	if n.dir, err = os.MkdirTemp("", "rerankd-"+o.Distribution.program+"-"); err != nil {
		return nil, fmt.Errorf("make a folder for the server: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(n.dir))
		}
	}()
	home, err := n.layOut(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := n.launch(ctx, home, o); err != nil {
		return nil, err
	}
	c := &Cluster{Version: o.Distribution.version, stop: n.stop}
	if c.URL, err = n.awaitHealthy(ctx); err != nil {
		n.kill()
		return nil, fmt.Errorf("%w; its last lines:\n%s", err, n.output.String())
	}
	return c, nil
}

// layOut fills the node's folder and gives it to the server's account. It
// returns the folder to run the server from.
func (n *node) layOut(ctx context.Context, o nodeOptions) (home string, err error) {
	for _, name := range []string{".", "config", "data", "logs", "tmp"} {
		path := filepath.Join(n.dir, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return "", fmt.Errorf("lay out the server's folder: %w", err)
		}
		if err := o.Account.own(path); err != nil {
			return "", fmt.Errorf("give the server's folder to uid %d: %w (run as a user other than root)", nobody, err)
		}
	}
	if err := o.Account.canReach(filepath.Dir(n.dir)); err != nil {
		return "", fmt.Errorf("%w: set TMPDIR to a folder that everybody may enter, such as /tmp", err)
	}
	for name, text := range o.Distribution.configFiles(n.dir) {
		path := filepath.Join(n.dir, "config", name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", fmt.Errorf("write the server's configuration: %w", err)
		}
		if err := o.Account.own(path); err != nil {
			return "", fmt.Errorf("write the server's configuration: %w", err)
		}
	}
	if o.Account.canReach(o.Home) == nil {
		return o.Home, nil
	}
	// The cache folder lies in root's home. Opening that to others is not ours
	// to do, so the server runs from links to the same files.
	home = filepath.Join(n.dir, "home")
	if err := mirror(ctx, o.Home, home); err != nil {
		return "", fmt.Errorf("make the server readable for uid %d: %w", nobody, err)
	}
	return home, nil
}

// launch starts the server. The goroutine that does so keeps its thread until
// the server has ended: the kernel takes the end of that thread, not of the
// process, for the parent's death.
func (n *node) launch(ctx context.Context, home string, o nodeOptions) error {
	variable := o.Distribution.variable
	// The server outlives its start: stop ends it, not ctx.
	n.cmd = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(home, "bin", o.Distribution.program))
	n.cmd.Dir = n.dir
	n.cmd.Env = []string{
		"PATH=" + o.Path,
		"HOME=" + n.dir,
		variable + "_JAVA_HOME=" + o.Java.home,
		"JDK_JAVA_OPTIONS=-XX:-UsePerfData", // of the programs around the server
		variable + "_PATH_CONF=" + filepath.Join(n.dir, "config"),
		variable + "_TMPDIR=" + filepath.Join(n.dir, "tmp"),
	}
	n.cmd.SysProcAttr = processAttr(o.Account)
	n.cmd.Stdout, n.cmd.Stderr = &n.output, &n.output
	n.cmd.WaitDelay = stopGrace
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := n.cmd.Start()
		started <- err
		if err == nil {
			_ = n.cmd.Wait() // how it ended stands in cmd.ProcessState
			close(n.exited)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("run the server: %w", err)
	}
	return nil
}

// awaitHealthy returns the server's address once it can serve.
func (n *node) awaitHealthy(ctx context.Context) (string, error) {
	client := newClient()
	defer client.CloseIdleConnections()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var last error
	for {
		select {
		case <-n.exited:
			return "", fmt.Errorf("the server ended before it answered: %v", n.cmd.ProcessState)
		case <-ctx.Done():
			return "", fmt.Errorf("the server did not answer in time: %w", errors.Join(ctx.Err(), last))
		case <-ticker.C:
		}
		base, err := n.address()
		if err == nil {
			err = n.healthy(ctx, client, base)
		}
		if err == nil {
			return base, nil
		}
		last = err
	}
}

// healthy asks once; unlike for a foreign cluster, only 200 will do.
func (n *node) healthy(ctx context.Context, client *http.Client, base string) error {
	const path = "/_cluster/health?wait_for_status=yellow&timeout=5s"
	status, _, err := get(ctx, client, &Cluster{URL: base}, path)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("get %s: status %d", path, status)
	}
	return err
}

// address reads the port that the server got, from the file it writes once it
// listens.
func (n *node) address() (string, error) {
	ports, err := os.ReadFile(filepath.Join(n.dir, "logs", "http.ports"))
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(ports) {
		host, port, err := net.SplitHostPort(string(bytes.TrimSpace(line)))
		if err == nil && host == "127.0.0.1" {
			return "http://" + net.JoinHostPort(host, port), nil
		}
	}
	return "", fmt.Errorf("read the server's address: none in %q", ports)
}

// stop asks the server to end, kills it when ctx or stopGrace ends first, and
// removes its folder.
func (n *node) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if err := n.signal(syscall.SIGTERM); err == nil {
		select {
		case <-n.exited:
		case <-ctx.Done():
		}
	}
	n.kill()
	if err := os.RemoveAll(n.dir); err != nil {
		return fmt.Errorf("remove the server's folder: %w", err)
	}
	return nil
}

// kill ends the server's whole process group and returns when it is gone. The
// start script's process comes first in it and the server itself second.
func (n *node) kill() {
	_ = n.signal(syscall.SIGKILL) // an error means that nothing is left to kill
	<-n.exited
}

func (n *node) signal(s syscall.Signal) error {
	return syscall.Kill(-n.cmd.Process.Pid, s)
}
