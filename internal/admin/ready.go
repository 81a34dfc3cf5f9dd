package admin

import (
	"encoding/json"
	"net/http"
)

// Check is one condition of readiness.
type Check struct {
	// Name is what the condition is called in the answer.
	Name string
	// OK returns nil while the condition holds, else why it does not. The reason
	// is shown to callers, so it must hold no secret.
	OK func() error
}

// Model is a model that is in use.
type Model struct {
	Endpoint  string `json:"endpoint"`  // inference id
	ID        string `json:"id"`        // as its own files name it
	Precision string `json:"precision"` // int8, fp32; empty: not known
	// Batching tells whether pairs run together or alone; empty: not by an engine.
	Batching string `json:"batching,omitempty"`
}

// readiness answers 200 while every check passes, else 503. What stands in the
// way and which models there are is told to those only that guard admits.
type readiness struct {
	checks []Check
	models func() []Model
	guard  guard
}

// report is the body of the answer.
type report struct {
	Ready  bool     `json:"ready"`
	Checks []result `json:"checks,omitempty"` // in the order of Options.Checks
	Models []Model  `json:"models,omitempty"`
}

// result is what a check said.
type result struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why it is not OK
}

func (s readiness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	full := report{Ready: true}
	for _, c := range s.checks {
		seen := result{Name: c.Name, OK: true}
		if err := c.OK(); err != nil {
			seen.OK, seen.Reason = false, err.Error()
			full.Ready = false
		}
		full.Checks = append(full.Checks, seen)
	}
	if s.models != nil {
		full.Models = s.models()
	}
	status := http.StatusOK
	if !full.Ready {
		status = http.StatusServiceUnavailable
	}
	shown := report{Ready: full.Ready}
	if s.guard.admits(r) {
		shown = full
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The only error left is a caller that hung up.
	_ = json.NewEncoder(w).Encode(shown)
}
