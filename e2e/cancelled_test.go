package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rerankd/rerankd/configs"
)

// Whatever moment a client hangs up at, nothing of its search may stay: neither in
// the queue nor in the model, no goroutine and no connection to the cluster.
func TestTenThousandSearchesWhoseClientsHangUpLeaveNothing(t *testing.T) {
	const clients, each = 8, 1250
	upstream := instantNode(t, 6)
	p := startProxyAt(t, upstream.URL, func(c *configs.Config) {
		slowModel(c)
		c.Cache.Bytes = 0
		c.Log.Level = "error"
	})
	send(t, http.MethodPost, p.url+"/i/_search", longSearch("the first", "")) // has every part made that is made once
	before := usage(t)
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	client := &http.Client{Transport: transport}
	var answered, left atomic.Int64
	var running sync.WaitGroup
	for number := range clients {
		running.Go(func() {
			for i := range each {
				step := time.Duration((i*7 + number) % 40)
				patience := step * step * 12 * time.Microsecond // most leave early, some after the answer
				err := hangUp(t, client, p.url, fmt.Sprintf("%d of %d", i, number), patience)
				switch {
				case err == nil:
					answered.Add(1)
				case errors.Is(err, context.DeadlineExceeded):
					left.Add(1)
				default:
					t.Errorf("search: %v", err)
				}
			}
		})
	}
	running.Wait()
	t.Logf("%d searches: %d answered in time", clients*each, answered.Load())
	if left.Load() < clients*each/2 {
		t.Errorf("%d clients of %d hung up: too few to show anything", left.Load(), clients*each)
	}
	transport.CloseIdleConnections()
	for _, name := range []string{"rerankd_queue_running", "rerankd_queue_waiting", "rerankd_engine_open_tokens"} {
		series := fmt.Sprintf("%s{model=%q}", name, referenceModel)
		eventually(t, series+" is 0", func() (bool, string) {
			value := p.metric(t, series)
			return value == "0", value
		})
	}
	eventually(t, "goroutines and open files are as before", func() (bool, string) {
		now := usage(t)
		return now.goroutines <= before.goroutines+slack && now.files <= before.files+slack, fmt.Sprintf("%+v, before %+v", now, before)
	})
}

// slack is what kept connections, of the program and of the test, may come to:
// hundreds of times less than there were searches.
const slack = 40

// hangUp asks for a search and leaves when its patience ends, which is an error.
func hangUp(t *testing.T, client *http.Client, base, question string, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/i/_search", strings.NewReader(longSearch(question, "")))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// resources are what this process holds, the program in it included.
type resources struct{ goroutines, files int }

func usage(t *testing.T) resources {
	t.Helper()
	r := resources{goroutines: runtime.NumGoroutine()}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Logf("open files are NOT COUNTED here: %v", err)
	}
	r.files = len(open)
	return r
}

// instantNode stands in for a cluster that answers each search at once with hits
// of up to so many phrases.
func instantNode(tb testing.TB, phrases int) *httptest.Server {
	tb.Helper()
	const hits = 30
	var list strings.Builder
	for i := range hits {
		if i > 0 {
			list.WriteByte(',')
		}
		text := strings.Repeat("pumps and valves, ", 1+i%phrases)
		fmt.Fprintf(&list, `{"_index":"i","_id":"%d","_score":%d.5,"fields":{"text":[%q]}}`, i, hits-i, text)
	}
	answer := fmt.Sprintf(`{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},`+
		`"hits":{"total":{"value":%d,"relation":"eq"},"max_score":%d.5,"hits":[%s]}}`, hits, hits, list.String())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = io.WriteString(w, answer) // a program that is gone has said so itself
	}))
	tb.Cleanup(s.Close)
	return s
}
