package localcluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fakeServer writes a start script in the place of Elasticsearch's, to bring
// about what a real server seldom does.
func fakeServer(t *testing.T, script string) nodeOptions {
	t.Helper()
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "bin", "elasticsearch"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return nodeOptions{Distribution: distributions[Elasticsearch], Home: home, Java: jdk{home: "/jdk", version: 17}, Path: os.Getenv("PATH")}
}

func TestAServerThatEndsAtOnceIsAnErrorWithItsLastWords(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	_, err := startNode(t.Context(), fakeServer(t, "echo java at $ES_JAVA_HOME; echo unknown setting >&2; exit 3"))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"ended before it answered", "exit status 3", "  java at /jdk", "  unknown setting"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want it to hold %q", err, want)
		}
	}
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAServerThatNeverAnswersIsKilledWithAllItStarted(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	booting := filepath.Join(t.TempDir(), "booting")
	if err := syscall.Mkfifo(booting, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	go func() {
		_, _ = os.ReadFile(booting) // ends when the server has written to it
		giveUp()
	}()
	_, err := startNode(ctx, fakeServer(t, "echo booting; echo > "+booting+"; sleep 1000 & sleep 1000"))
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "booting") {
		t.Errorf("err = %v, want that of the context and the output", err)
	}
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAServerThatWillNotEndIsKilledWhenTheContextEnds(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	o := fakeServer(t, "trap '' TERM; echo up; while :; do sleep 1000; done")
	n := &node{dir: filepath.Join(t.TempDir(), "run"), exited: make(chan struct{})}
	home, err := n.layOut(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.launch(t.Context(), home, o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := os.Stat(n.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestAStartScriptThatDoesNotRunIsAnError(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	o := fakeServer(t, "")
	o.Home = filepath.Join(o.Home, "absent")
	if _, err := startNode(t.Context(), o); err == nil || !strings.Contains(err.Error(), "run the server") {
		t.Errorf("err = %v", err)
	}
}

func TestTheAddressIsReadFromThePortsFile(t *testing.T) {
	n := &node{dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(n.dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ ports, want string }{
		{"[::1]:9301\n127.0.0.1:9300\n", "http://127.0.0.1:9300"},
		{"127.0.0.1:9300", "http://127.0.0.1:9300"},
		{"", ""},
		{"[::1]:9301\nrubbish\n", ""},
	} {
		if err := os.WriteFile(filepath.Join(n.dir, "logs", "http.ports"), []byte(tc.ports), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := n.address(); got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("ports %q: got %q, %v, want %q", tc.ports, got, err, tc.want)
		}
	}
}
