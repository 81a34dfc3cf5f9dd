package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor time in /proc, the same on all Linux systems.
const tick = 10 * time.Millisecond

// processorTime is what a process and all that it started have used so far, 0
// where the system doesn't tell. What has ended is not counted.
func processorTime(pid int) time.Duration {
	type process struct{ parent, ticks int }
	processes := map[int]process{}
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		line, err := os.ReadFile(filepath.Join(folder, "stat"))
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
		id, _ := strconv.Atoi(filepath.Base(folder)) // the kernel writes numbers
		parent, _ := strconv.Atoi(fields[1])
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		processes[id] = process{parent, user + system}
	}
	ticks := 0
	for id, p := range processes {
		for at := id; at > 0; at = processes[at].parent {
			if at == pid {
				ticks += p.ticks
				break
			}
		}
	}
	return time.Duration(ticks) * tick
}

// machineTime is the processor time that all processes have used so far, and that
// which the machine's host gave to others. Interrupts are left out: those of the
// loopback interface are this comparison's own.
func machineTime() time.Duration {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat))
	const user, nice, system, stolen = 1, 2, 3, 8
	ticks := 0
	for _, i := range []int{user, nice, system, stolen} {
		if i < len(fields) {
			n, _ := strconv.Atoi(fields[i])
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}

// strangers tells what share of the machine others than this comparison use.
type strangers struct {
	machine, own time.Duration
	at           time.Time
}

func watchStrangers() strangers {
	return strangers{machineTime(), processorTime(os.Getpid()), time.Now()}
}

// share is that since the watch began.
func (s strangers) share() float64 {
	now := watchStrangers()
	theirs := (now.machine - s.machine) - (now.own - s.own)
	return max(0, theirs.Seconds()/now.at.Sub(s.at).Seconds()/float64(runtime.NumCPU()))
}

// peakMemory is the most that a process ever held, in MiB.
func peakMemory(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, is := strings.CutPrefix(line, "VmHWM:"); is {
			kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kib / 1024
		}
	}
	return 0
}
