package proxy

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rerankd/rerankd/retriever"
)

// asyncTail is the end of the path of an asynchronous search.
const asyncTail = "_async_search"

// asyncHeader tells whether an asynchronous search still runs, as a structured
// boolean.
const asyncHeader = "X-Elasticsearch-Async-Is-Running"

// defaultKeepAlive is how long Elasticsearch keeps an asynchronous search that
// doesn't say.
const defaultKeepAlive = 5 * 24 * time.Hour

// asyncSearch answers an asynchronous search that holds a reranker when it is
// done, as one that was done within the time to wait for it: complete, without an
// id, nothing to come back for. There is no place to keep its result.
func (p *Proxy) asyncSearch(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		p.pass(w, r)
		return
	}
	q, ok := p.inquire(w, r, false)
	if !ok {
		return
	}
	query := q.r.URL.Query()
	keep, fault := asyncParams(query)
	if fault == nil {
		_, fault = retriever.Formatted(nil, query)
	}
	q.fault = cmp.Or(q.fault, fault)
	q.r = withoutParams(asSearch(q.r, asyncTail), "keep_alive", "keep_on_completion", "wait_for_completion_timeout", "filter_path", "pretty")
	rec := of(w)
	rec.wrap = func(answer []byte) []byte {
		rec.Header().Set(asyncHeader, "?0")
		return completed(answer, rec.start, time.Now(), keep, query)
	}
	p.decide(w, q)
}

// asyncParams reads how long the result is to be kept, and refuses what would need
// a place to keep it.
func asyncParams(query url.Values) (keep time.Duration, err error) {
	keep = defaultKeepAlive
	for _, name := range []string{"keep_alive", "wait_for_completion_timeout"} {
		value := query.Get(name)
		if value == "" {
			continue
		}
		d, ok := timeValue(value)
		if !ok {
			return 0, retriever.BadRequest("illegal_argument_exception",
				"failed to parse setting [%s] with value [%s] as a time value: unit is missing or unrecognized", name, clip(value))
		}
		if name == "keep_alive" {
			keep = d
		}
	}
	if value := query.Get("keep_on_completion"); query.Has("keep_on_completion") && value != "false" {
		return 0, retriever.Unsupported("[keep_on_completion] with a [%s]: a reranked answer is given when it is done and not kept", retriever.Name)
	}
	return keep, nil
}

// timeUnits are Elasticsearch's, the longer names first where one ends with
// another.
var timeUnits = []struct {
	name string
	is   time.Duration
}{
	{"nanos", time.Nanosecond},
	{"micros", time.Microsecond},
	{"ms", time.Millisecond},
	{"s", time.Second},
	{"m", time.Minute},
	{"h", time.Hour},
	{"d", 24 * time.Hour},
}

// timeValue reads a time in Elasticsearch's spelling: a whole number and a unit,
// or -1 and 0 alone. Times beyond a century are cut to it.
func timeValue(s string) (time.Duration, bool) {
	const century = 100 * 365 * 24 * time.Hour
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "0" || s == "-1" {
		return 0, true
	}
	for _, unit := range timeUnits {
		number, found := strings.CutSuffix(s, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 {
			return 0, false
		}
		if n > int64(century/unit.is) {
			return century, true
		}
		return time.Duration(n) * unit.is, true
	}
	return 0, false
}

// completed is the answer of an asynchronous search that is done.
func completed(answer []byte, start, end time.Time, keep time.Duration, query url.Values) []byte {
	whole := fmt.Appendf(nil, `{"is_partial":false,"is_running":false,"start_time_in_millis":%d,"expiration_time_in_millis":%d,"completion_time_in_millis":%d,"response":`,
		start.UnixMilli(), start.Add(keep).UnixMilli(), end.UnixMilli())
	whole = append(append(whole, answer...), '}')
	if shaped, err := retriever.Formatted(whole, query); err == nil { // the parameters were checked before
		whole = shaped
	}
	return whole
}
