package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// faultVariable makes this test's own binary a program to be loaded, with a fault.
const faultVariable = "SOAK_TEST_FAULT"

func TestMain(m *testing.M) {
	if fault, ok := os.LookupEnv(faultVariable); ok {
		program(fault)
		return
	}
	os.Exit(m.Run())
}

// program listens, logs and ends as rerankd does, and answers everything.
func program(fault string) {
	proxy, admin := listen(), listen()
	if fault == "leak" {
		go leak()
	}
	go func() {
		_ = http.Serve(proxy, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if fault == "status" {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}))
	}()
	go func() {
		_ = http.Serve(admin, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			left := 0
			if fault == "stays" {
				left = 7
			}
			_, _ = fmt.Fprintf(w, "rerankd_queue_running{model=\"a\"} 0\nrerankd_queue_running{model=\"b\"} %d\ngo_goroutines 9\n", left)
		}))
	}()
	fmt.Fprintf(os.Stderr, "{\"level\":\"INFO\",\"msg\":\"admin listener\",\"address\":%q}\n", admin.Addr())
	fmt.Fprintf(os.Stderr, "{\"level\":\"INFO\",\"msg\":\"listening\",\"address\":%q}\n", proxy.Addr())
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}

// leak keeps more and more, however many requests come.
func leak() {
	for kept := [][]byte{}; ; time.Sleep(10 * time.Millisecond) {
		kept = append(kept, bytes.Repeat([]byte{'x'}, 1<<20))
	}
}

func listen() net.Listener {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return l
}

func TestOnlyAProgramThatKeepsNothingPasses(t *testing.T) {
	if _, err := resident(os.Getpid()); err != nil {
		t.Skipf("the memory of a process is NOT WATCHED here: %v", err)
	}
	oldLimit := settleLimit
	settleLimit = 2 * time.Second
	defer func() { settleLimit = oldLimit }()
	for fault, want := range map[string]string{
		"none":   "",
		"leak":   "memory grew",
		"stays":  "rerankd_queue_running is 7",
		"status": "status 500",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Setenv(faultVariable, fault)
			err := soak(t.Context(), options{program: os.Args[0], lasts: 4 * time.Second, shows: time.Second, samples: 100 * time.Millisecond, clients: 2, growth: 1})
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

func TestAProgramThatDoesNotStartIsReported(t *testing.T) {
	if err := soak(t.Context(), options{program: "/bin/false", lasts: time.Second, samples: time.Second}); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("got %v", err)
	}
}

func TestGrowthComparesTheThirds(t *testing.T) {
	for _, tc := range []struct {
		samples     []int64
		first, last int64
		share       float64
	}{
		{[]int64{100, 100, 100}, 100, 100, 0},
		{[]int64{100, 900, 100, 150, 150, 150, 200, 190, 1}, 100, 190, 0.9},
		{[]int64{200, 7, 100}, 200, 100, -0.5},
	} {
		if first, last, share := growth(tc.samples); first != tc.first || last != tc.last || share < tc.share-1e-9 || share > tc.share+1e-9 {
			t.Errorf("%v: %d, %d, %v", tc.samples, first, last, share)
		}
	}
}

func TestASearchHasTheSameHitsWhenItIsAskedAgain(t *testing.T) {
	ask := func(body string) string {
		w := httptest.NewRecorder()
		node(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/soak/_search", strings.NewReader(body)))
		return w.Body.String()
	}
	one, again, other := ask("a"), ask("a"), ask("b")
	if one != again || one == other || strings.Count(one, `"_id"`) != window {
		t.Errorf("got %.200s, again %.200s, other %.200s", one, again, other)
	}
}

func TestTheKindsOfRequestsAreAHundredInAHundred(t *testing.T) {
	sum := 0
	for _, k := range kinds() {
		sum += k.share
	}
	if sum != 100 {
		t.Errorf("%d", sum)
	}
}
