// Package report is what a comparison of rerankd with its peers found: the file
// that programs read, and the tables made of it that people read. It measures
// nothing.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/rerankd/rerankd/internal/bench"
)

// Report is the content of docs/benchmarks.json.
type Report struct {
	Machine  bench.Machine     `json:"machine"`
	Versions map[string]string `json:"versions"`
	// Parts were measured one at a time, all rows of a part in turns: only rows of
	// one part can be compared.
	Parts   map[string]Part `json:"parts"`
	LeftOut []LeftOut       `json:"left_out"`
}

// LeftOut is a peer that could not take part.
type LeftOut struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Part is what was measured in one sitting.
type Part struct {
	Measured string  `json:"measured"` // day
	Program  string  `json:"program"`  // version of rerankd
	Tokens   float64 `json:"tokens_per_pair,omitempty"`
	Clients  int     `json:"clients,omitempty"` // that ask at the same time
	// Strangers is the share of the machine that other processes used meanwhile,
	// one a round.
	Strangers []float64 `json:"strangers,omitempty"`
	Rows      []Row     `json:"rows"`
}

// Row is what one peer did in a part. What was not measured is empty.
type Row struct {
	Name  string `json:"name"`
	Model string `json:"model,omitempty"`
	Kind  Kind   `json:"kind"`
	// Rates holds pairs or requests a second, one a round, in the order of the
	// rounds, which all rows of a part share.
	Rates []float64 `json:"rates,omitempty"`
	// Millis holds the latency of each call.
	Millis []float64 `json:"millis,omitempty"`
	// Processor is the microseconds of processor time of a request, one a round.
	Processor []float64 `json:"processor_micros,omitempty"`
	// Failed is how many requests were broken off.
	Failed int `json:"failed,omitempty"`
	// Memory is the most that the process ever held, in MiB.
	Memory float64 `json:"peak_mib,omitempty"`
	// Apart is the greatest distance of a score from rerankd's with the same weights.
	Apart *float64 `json:"score_apart,omitempty"`
	// Scores says what kind of scores were compared.
	Scores string `json:"scores,omitempty"`
	// Note says why the scores differ.
	Note string `json:"note,omitempty"`
}

// Kind says how a peer is called.
type Kind string

// Kinds of peers.
const (
	Library Kind = "library" // in its own process, by function calls
	Server  Kind = "server"  // over HTTP
	Proxy   Kind = "proxy"   // between a client and a server
	Bare    Kind = "bare"    // without anything in between
)

// LeaveOut says why a peer doesn't take part.
func (r *Report) LeaveOut(name, reason string) {
	r.Join(name)
	r.LeftOut = append(r.LeftOut, LeftOut{name, reason})
	slices.SortFunc(r.LeftOut, func(a, b LeftOut) int { return strings.Compare(a.Name, b.Name) })
}

// Join says that a peer takes part.
func (r *Report) Join(name string) {
	r.LeftOut = slices.DeleteFunc(r.LeftOut, func(l LeftOut) bool { return l.Name == name })
}

// Row returns the row of a peer, nil if there is none.
func (p Part) Row(name, model string) *Row {
	for i := range p.Rows {
		if p.Rows[i].Name == name && p.Rows[i].Model == model {
			return &p.Rows[i]
		}
	}
	return nil
}

// Read reads the file. One that is not there is an empty report.
func Read(path string) (*Report, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Report{Versions: map[string]string{}, Parts: map[string]Part{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read report %s: %w", path, err)
	}
	return &r, nil
}

// numbers matches a list of plain values, which stands on one line.
var numbers = regexp.MustCompile(`\[[^\[\]{}"]*\]`)

// Write writes the file.
func (r *Report) Write(path string) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	data = numbers.ReplaceAllFunc(data, func(list []byte) []byte { return bytes.Join(bytes.Fields(list), nil) })
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil { //nolint:gosec // everybody may read it
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Begin says that a part is measured on a machine. Parts of another machine
// can't be shown beside it and are dropped; it returns how many.
func (r *Report) Begin(m bench.Machine) int {
	dropped := 0
	if r.Machine.Processor != m.Processor || r.Machine.Cores != m.Cores || r.Machine.Platform != m.Platform {
		dropped = len(r.Parts)
		r.Parts, r.Versions = map[string]Part{}, map[string]string{}
	}
	r.Machine = m
	return dropped
}
