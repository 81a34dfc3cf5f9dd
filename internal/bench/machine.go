package bench

import (
	"bytes"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/cpu"
)

// Machine says where something was measured. What isn't known is empty.
type Machine struct {
	Processor string   `json:"processor,omitempty"`
	Features  []string `json:"features,omitempty"` // those that decide about matrix products
	Platform  string   `json:"platform"`
	Cores     int      `json:"cores"`   // that the process may use
	Workers   int      `json:"workers"` // batches that run at the same time
	Go        string   `json:"go"`
	Runtime   string   `json:"onnxruntime,omitempty"`
}

// ThisMachine describes the machine on which the program runs.
func ThisMachine() Machine {
	m := Machine{Platform: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.GOMAXPROCS(0), Go: runtime.Version()}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil { // elsewhere the name stays unknown
		m.Processor = processor(info)
	}
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"avx2", cpu.X86.HasAVX2},
		{"avx512", cpu.X86.HasAVX512F},
		{"avx512-vnni", cpu.X86.HasAVX512VNNI},
		{"amx-int8", cpu.X86.HasAMXInt8},
		{"neon", cpu.ARM64.HasASIMD},
		{"dotprod", cpu.ARM64.HasASIMDDP},
		{"sve", cpu.ARM64.HasSVE},
	} {
		if f.has {
			m.Features = append(m.Features, f.name)
		}
	}
	return m
}

// processor finds the name in Linux's list of processors, "" when it has none.
func processor(cpuinfo []byte) string {
	for line := range bytes.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
