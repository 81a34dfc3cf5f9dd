package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// resident reads how many bytes of a process are in memory, by /proc.
func resident(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read resident memory, which needs Linux: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read resident memory: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("read resident memory: process %d has none, it has ended", pid)
}

// growth compares the last third of the samples with the first, median with
// median: 0.1 is a tenth more. It takes three samples at least.
func growth(samples []int64) (first, last int64, share float64) {
	third := len(samples) / 3
	first, last = median(samples[:third]), median(samples[len(samples)-third:])
	return first, last, float64(last)/float64(first) - 1
}

func median(samples []int64) int64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}
