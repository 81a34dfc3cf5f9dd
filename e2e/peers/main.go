// Command peers compares rerankd with other rerankers and, where it only passes
// requests on, with other proxies. `make bench-peers` sets its surroundings up and
// runs it; what it finds stands in docs/benchmarks.md.
//
// A machine is busy with other things, and its speed changes from second to
// second. So every peer runs in a process of its own, all stay alive, and they take
// turns: round after round each scores the same texts. Only figures of one part,
// measured in one sitting, are compared.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rerankd/rerankd/e2e/peers/report"
	"github.com/rerankd/rerankd/internal/bench"
)

// threads is how many threads every peer computes with.
const threads = 2

// engineCommand is the argument by which this program becomes the worker of
// rerankd in process.
const engineCommand = "engine"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == engineCommand {
		return serveEngine(ctx, args[1], os.Stdin, os.Stdout)
	}
	if len(args) == 3 && args[0] == bareCommand {
		l, _, err := listen(ctx, args[1])
		if err != nil {
			return err
		}
		return serveBare(ctx, l, args[2])
	}
	cmp, err := parse(args)
	if err != nil {
		return err
	}
	if cmp.report, err = report.Read(cmp.json); err != nil {
		return err
	}
	if len(cmp.only) > 0 {
		err = cmp.measure(ctx)
	}
	return errors.Join(err, cmp.show())
}

// comparison is one run.
type comparison struct {
	// Where what is compared lies: see parse.
	program, models, libraries, infinityEnv, scripts, goroot, version string

	json, page string // where results go; no page: to no page
	only       []string
	roundCount int

	self, temp string
	upstream   *upstream
	texts      *texts
	report     *report.Report
	begun      time.Time
}

// passPart is the part with the proxies, togetherPart that with several callers.
const passPart, togetherPart = "pass", "concurrent"

// partNames are the parts that can be asked for.
func partNames() []string {
	var names []string
	for _, m := range mixes() {
		names = append(names, m.name)
	}
	return append(names, togetherPart, passPart)
}

func parse(args []string) (*comparison, error) {
	var cmp comparison
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.IntVar(&cmp.roundCount, "rounds", 5, "rounds of each part")
	only := flags.String("only", "", "parts to measure, separated by commas; others keep what the file has: "+strings.Join(partNames(), " "))
	quick := flags.Bool("quick", false, "two rounds of the parts mixed, latency and pass: shows that all of it works")
	tables := flags.Bool("tables", false, "measure nothing, show what the file has")
	record := flags.Bool("record", false, "put the results into docs/benchmarks.json and docs/benchmarks.md")
	flags.StringVar(&cmp.json, "json", "bin/bench-peers.json", "file of the results, to which parts are added")
	for name, into := range map[string]*string{
		"program": &cmp.program, "models": &cmp.models, "libraries": &cmp.libraries, "infinity": &cmp.infinityEnv,
		"scripts": &cmp.scripts, "goroot": &cmp.goroot, "version": &cmp.version,
	} {
		flags.StringVar(into, name, "", "set by peers.sh")
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	cmp.only = partNames()
	if *quick {
		cmp.only, cmp.roundCount = []string{"mixed", "latency", passPart}, 2
	}
	if *only != "" {
		cmp.only = strings.Split(*only, ",")
	}
	if *tables {
		cmp.only = nil
	}
	if *record {
		cmp.json, cmp.page = "docs/benchmarks.json", "docs/benchmarks.md"
	}
	for _, name := range cmp.only {
		if !slices.Contains(partNames(), name) {
			return nil, fmt.Errorf("no part %q: there are %s", name, strings.Join(partNames(), ", "))
		}
	}
	if cmp.roundCount < 1 || flags.NArg() > 0 {
		return nil, errors.New("want at least one round, and options only: see --help")
	}
	return &cmp, nil
}

// measure measures the parts that are asked for. What is done is kept, also when
// a later part fails or is broken off.
func (cmp *comparison) measure(ctx context.Context) error {
	cmp.begun = time.Now()
	if dropped := cmp.report.Begin(bench.ThisMachine()); dropped > 0 {
		cmp.progress("%s is of another machine: its %d parts are dropped", cmp.json, dropped)
	}
	for _, p := range absent() {
		cmp.leaveOut(p.Name, p.Reason)
	}
	var err error
	if cmp.self, err = os.Executable(); err != nil {
		return err
	}
	if cmp.temp, err = os.MkdirTemp("", "peers-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(cmp.temp) }()
	if err := os.Chmod(cmp.temp, 0o755); err != nil { //nolint:gosec // nginx's workers are another user's
		return err
	}
	if cmp.upstream, err = startUpstream(ctx); err != nil {
		return err
	}
	defer cmp.upstream.stop()
	if err := cmp.measureRerankers(ctx); err != nil {
		return err
	}
	return cmp.measureProxies(ctx)
}

func (cmp *comparison) measureRerankers(ctx context.Context) error {
	if !slices.ContainsFunc(cmp.only, func(name string) bool { return name != passPart }) {
		return nil
	}
	var err error
	if cmp.texts, err = newTexts(ctx, cmp.goroot, filepath.Join(cmp.models, fp32)); err != nil {
		return err
	}
	for source, model := range map[string]string{"infinity/fp32": fp32, "infinity/int8": int8, "rewritten/fp32": fp32 + rewritten, "rewritten/int8": int8 + rewritten} {
		imported := exec.CommandContext(ctx, cmp.program, "model", "import", filepath.Join(cmp.models, source), cmp.folder(model)) //nolint:gosec // ours
		if out, err := imported.CombinedOutput(); err != nil {
			return fmt.Errorf("import %s: %w: %s", model, err, out)
		}
	}
	cmp.progress("starting the rerankers")
	peers := cmp.startPeers(ctx)
	defer func() {
		for _, p := range peers {
			p.stop()
		}
	}()
	for _, name := range cmp.only {
		var part report.Part
		cmp.texts.begin(name)
		if at := slices.IndexFunc(mixes(), func(m mix) bool { return m.name == name }); at >= 0 {
			part, err = cmp.rounds(ctx, peers, mixes()[at])
		} else if name == togetherPart {
			part, err = cmp.concurrent(ctx, peers)
		} else {
			continue
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if err := cmp.keep(name, part); err != nil {
			return err
		}
	}
	return nil
}

func (cmp *comparison) measureProxies(ctx context.Context) error {
	if !slices.Contains(cmp.only, passPart) {
		return nil
	}
	paths := cmp.startPaths(ctx)
	defer func() {
		for _, p := range paths {
			if p.process != nil {
				p.process.stop()
			}
		}
	}()
	for _, w := range workloads() {
		part, err := cmp.passThrough(ctx, paths, w)
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if err := cmp.keep(w.name, part); err != nil {
			return err
		}
	}
	return nil
}

func (cmp *comparison) newPart() report.Part {
	return report.Part{Measured: time.Now().UTC().Format(time.DateOnly), Program: cmp.version}
}

func (cmp *comparison) keep(name string, part report.Part) error {
	cmp.report.Parts[name] = part
	return cmp.report.Write(cmp.json)
}

func (cmp *comparison) leaveOut(name, reason string) {
	cmp.progress("without %s: %s", name, reason)
	cmp.report.LeaveOut(name, reason)
}

func (cmp *comparison) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(cmp.begun).Seconds(), fmt.Sprintf(format, args...))
}

// show prints the tables, and puts them into the page where that is wanted.
func (cmp *comparison) show() error {
	fmt.Println(cmp.report.Tables())
	if cmp.page == "" {
		return nil
	}
	return cmp.report.WritePage(cmp.page)
}
