package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rerankd/rerankd/e2e/peers/report"
)

// Lengths of one measure, of all clients together and of a lone one.
const (
	loadTime = time.Second
	loneTime = 300 * time.Millisecond
)

// workload is a request that is passed through.
type workload struct {
	name    string
	request []byte
}

// workloads are documents and searches, with bodies of both sizes.
func workloads() []workload {
	get := func(index string) []byte {
		return []byte("GET /" + index + "/_doc/1 HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n\r\n")
	}
	post := func(index string, size int) []byte {
		const head, end = `{"size":10,"query":{"terms":{"id":[`, `"0"]}}}`
		body := head + strings.Repeat(`"a1b2c3d4",`, (size-len(head)-len(end))/11) + end
		return fmt.Appendf(nil, "POST /%s/_search HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", index, len(body), body)
	}
	return []workload{
		{"GET 1 KB", get("small")},
		{"GET 11 KB", get("large")},
		{"search 1 KB", post("small", small)},
		{"search 11 KB", post("large", large)},
	}
}

// path is a way to the upstream that is measured.
type path struct {
	name    string
	kind    report.Kind
	port    string
	process *process // nil for the way without a proxy
}

// startPaths starts the proxies. Who can't start is left out, with the reason.
func (cmp *comparison) startPaths(ctx context.Context) []path {
	paths := []path{{"no proxy", report.Bare, cmp.upstream.port, nil}}
	for _, p := range cmp.proxies() {
		started, port, err := cmp.startProxy(ctx, p, workloads()[0].request)
		if err != nil {
			cmp.leaveOut(p.name, err.Error())
			continue
		}
		cmp.report.Join(p.name)
		if p.version != nil {
			cmp.report.Versions[p.name] = versionOf(ctx, p)
		}
		paths = append(paths, path{p.name, report.Proxy, port, started})
	}
	return paths
}

// passThrough measures one workload on all paths, in turns.
func (cmp *comparison) passThrough(ctx context.Context, paths []path, w workload) (report.Part, error) {
	part := cmp.newPart()
	part.Clients = connections
	part.Rows = make([]report.Row, len(paths))
	for round := range cmp.roundCount + 1 { // the first warms up
		watch := watchStrangers()
		for i := range paths {
			at := (i + round) % len(paths)
			if err := ctx.Err(); err != nil {
				return part, err
			}
			row := &part.Rows[at]
			row.Name, row.Kind = paths[at].name, paths[at].kind
			if err := paths[at].measure(ctx, w, row, round > 0); err != nil {
				return part, fmt.Errorf("%s, %s: %w", w.name, paths[at].name, err)
			}
		}
		cmp.endRound(&part, w.name, round, watch)
	}
	return part, nil
}

// measure sends for a while from all connections, then from a lone one.
func (p path) measure(ctx context.Context, w workload, row *report.Row, counts bool) error {
	var before time.Duration
	if p.process != nil {
		before = processorTime(p.process.pid())
	}
	start := time.Now()
	sent, err := send(ctx, p.port, w.request, connections, loadTime)
	if err != nil {
		return err
	}
	whole := time.Since(start)
	if p.process != nil && counts {
		used := processorTime(p.process.pid()) - before
		row.Processor = append(row.Processor, fourDigits(float64(used.Microseconds())/float64(len(sent.took))))
	}
	lone, err := send(ctx, p.port, w.request, 1, loneTime)
	if err != nil || !counts {
		return err
	}
	row.Rates = append(row.Rates, fourDigits(float64(len(sent.took))/whole.Seconds()))
	row.Failed += sent.failed + lone.failed
	waits := make([]float64, len(lone.took))
	for i, t := range lone.took {
		waits[i] = float64(t.Nanoseconds()) / 1e6
	}
	// One value a round: thousands say no more than their median.
	row.Millis = append(row.Millis, fourDigits(report.Median(waits)))
	return nil
}
