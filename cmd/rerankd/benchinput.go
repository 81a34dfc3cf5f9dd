package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rerankd/rerankd/configs"
)

const (
	defaultBenchTime        = 30 * time.Second
	leastTime, mostTime     = time.Second, time.Hour
	defaultLengths          = "20,64,128,256,512"
	defaultBenchDepths      = "10,20,30,50,100"
	maxLength               = 1 << 16
	maxTarget               = time.Hour
	callersPerWorker        = 2
	maxLengths, mostTargets = 20, 20
)

// batches are the numbers of passages in a call for which rates are measured.
var batches = []int{1, 8, 32}

// defaultTargets are the latencies for which a depth is advised unless others are
// asked for.
var defaultTargets = []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond}

func benchValues() []valueOption {
	return []valueOption{
		{"model", "NAME", "builtin or a model folder; default builtin"},
		{"target", "DURATION", "a latency, such as 100ms, for which a depth is advised; may be given several times; default 50ms, 100ms, 200ms and 500ms"},
		{"time", "DURATION", fmt.Sprintf("about how long to measure, from %s to %s; one round is made in any case; default %s", leastTime, mostTime, defaultBenchTime)},
		{"lengths", "LIST", "tokens of the pairs; default " + defaultLengths + ", as far as the model takes them"},
		{"depths", "LIST", "passages of a search; default " + defaultBenchDepths},
	}
}

// benchInput is what the user asked for.
type benchInput struct {
	json            bool
	model           string
	targets         []time.Duration // ascending
	time            time.Duration
	lengths, depths []int // ascending
}

func readBench(in input) (b benchInput, err error) {
	b = benchInput{json: in.options["json"], model: configs.ModelBuiltin, targets: defaultTargets, time: defaultBenchTime}
	for name, values := range in.values {
		if name != "target" && len(values) > 1 {
			return b, benchUsage("--%s is given %d times", name, len(values))
		}
	}
	if model, ok := lone(in, "model"); ok {
		b.model = model
	}
	if text, ok := lone(in, "time"); ok {
		if b.time, err = duration("time", text, leastTime, mostTime); err != nil {
			return b, err
		}
	}
	if err := b.readTargets(in.values["target"]); err != nil {
		return b, err
	}
	lengths, ok := lone(in, "lengths")
	if !ok {
		lengths = defaultLengths
	}
	depths, ok := lone(in, "depths")
	if !ok {
		depths = defaultBenchDepths
	}
	if b.lengths, err = ascending("lengths", lengths, maxLength); err != nil {
		return b, err
	}
	b.depths, err = ascending("depths", depths, maxDepth)
	return b, err
}

// lone is the value of a flag that is given once at most.
func lone(in input, name string) (value string, ok bool) {
	if len(in.values[name]) == 0 {
		return "", false
	}
	return in.values[name][0], true
}

func (b *benchInput) readTargets(texts []string) error {
	if len(texts) > mostTargets {
		return benchUsage("%d times --target are the most", mostTargets)
	}
	if len(texts) > 0 {
		b.targets = nil
	}
	for _, text := range texts {
		target, err := duration("target", text, time.Millisecond, maxTarget)
		if err != nil {
			return err
		}
		b.targets = append(b.targets, target)
	}
	slices.Sort(b.targets)
	return nil
}

// upTo are the lengths that a model takes: what is too long for it becomes the
// longest there is.
func (b benchInput) upTo(most int) []int {
	var lengths []int
	for _, n := range b.lengths {
		lengths = append(lengths, min(n, most))
	}
	return slices.Compact(lengths)
}

func duration(flag, text string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		return 0, benchUsage("--%s: want a duration from %s to %s, such as 100ms or 1m, got %q", flag, least, most, text)
	}
	return d, nil
}

// ascending reads a list of numbers, each once.
func ascending(flag, list string, most int) ([]int, error) {
	var numbers []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 || n > most {
			return nil, benchUsage("--%s: want numbers from 1 to %d, got %q", flag, most, text)
		}
		if numbers = append(numbers, n); len(numbers) > maxLengths {
			return nil, benchUsage("--%s: %d numbers are the most", flag, maxLengths)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers), nil
}

func benchUsage(format string, args ...any) error {
	return &usageError{command: "bench", reason: fmt.Sprintf(format, args...)}
}
