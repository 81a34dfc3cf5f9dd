package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// maxAnswer bounds the answers that are read. The suite's are a few kilobytes.
const maxAnswer = 16 << 20

// Target is the program, or a cluster, that cases are sent to.
type Target struct {
	URL           string // without a slash at the end
	Authorization string // "": none
	Client        *http.Client
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Send sends the request of a case. A point in time that the case wants is opened
// before and closed after it.
func (t Target) Send(ctx context.Context, c Case) (Answer, error) {
	pit := ""
	if c.PIT != "" {
		var err error
		if pit, err = t.openPIT(ctx, c.PIT); err != nil {
			return Answer{}, err
		}
		defer func() { _, _ = t.do(ctx, http.MethodDelete, "/_pit", fmt.Sprintf(`{"id":%q}`, pit), nil) }()
	}
	body, mediaType, err := c.body(pit)
	if err != nil {
		return Answer{}, fmt.Errorf("body of case %s: %w", c.ID, err)
	}
	header := map[string]string{}
	if mediaType != "" {
		header["Content-Type"] = mediaType
	}
	for name, value := range c.Headers {
		header[http.CanonicalHeaderKey(name)] = value
	}
	method, target := c.Method, c.Path
	if method == "" {
		method = http.MethodPost
	}
	if c.Query != "" {
		target += "?" + c.Query
	}
	return t.do(ctx, method, target, body, header)
}

func (t Target) openPIT(ctx context.Context, index string) (string, error) {
	a, err := t.do(ctx, http.MethodPost, "/"+index+"/_pit?keep_alive=1m", "", nil)
	var opened struct{ ID string }
	if err == nil && (json.Unmarshal(a.Body, &opened) != nil || opened.ID == "") {
		err = fmt.Errorf("status %d: %.500s", a.Status, a.Body)
	}
	if err != nil {
		return "", fmt.Errorf("open a point in time at %s: %w", index, err)
	}
	return opened.ID, nil
}

func (t Target) do(ctx context.Context, method, path, body string, header map[string]string) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, t.URL+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if t.Authorization != "" {
		req.Header.Set("Authorization", t.Authorization)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := t.Client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return Answer{res.StatusCode, res.Header, answer}, err
}

// Compare tells how an answer differs from the one that the case expects; "" is
// not at all.
func (c Case) Compare(a Answer) (string, error) {
	status := c.Status
	if status == 0 {
		status = http.StatusOK
	}
	if a.Status != status {
		return fmt.Sprintf("status: want %d, got %d: %.1000s\n", status, a.Status, a.Body), nil
	}
	var all strings.Builder
	for name, want := range c.Header {
		if got := a.Header.Get(name); !matches(want, got) {
			fmt.Fprintf(&all, "header %s: want %q, got %q\n", name, want, got)
		}
	}
	var got any
	if json.Unmarshal(a.Body, &got) != nil {
		got = string(a.Body)
	}
	if len(c.Answer) > 0 {
		var want any
		if err := json.Unmarshal(c.Answer, &want); err != nil {
			return "", fmt.Errorf("%w of case %s: %w", errExpected, c.ID, err)
		}
		if c.recorded {
			all.WriteString(differ{exact: true}.diff("", Steady(want), Steady(got)))
		} else {
			all.WriteString(Diff(want, got))
		}
	}
	for _, path := range c.Lacks {
		if found := at(got, path); len(found) > 0 {
			fmt.Fprintf(&all, "%s: want nothing, got %s\n", path, show(found[0]))
		}
	}
	for _, pair := range c.Equal {
		a, b := at(got, pair[0]), at(got, pair[1])
		if len(a) != 1 || len(b) != 1 || show(a[0]) != show(b[0]) {
			fmt.Fprintf(&all, "%s is %s and %s is %s: want them equal\n", pair[0], show(a), pair[1], show(b))
		}
	}
	return all.String(), nil
}

// Result is how one case went.
type Result int

// The results, in the order in which a summary names them.
const (
	Passed  Result = iota // as the original answers
	Listed                // otherwise, as Differences says
	Skipped               // not sent: the cluster lacks what it needs
	Failed                // otherwise, or listed though it passes
)

// Run sends one case, unless the cluster lacks what it needs, and judges the
// answer. report says why the result is not Passed.
func (t Target) Run(ctx context.Context, c Case, cluster Cluster) (result Result, report string, err error) {
	if missing := c.missing(cluster.Has); len(missing) > 0 {
		return Skipped, "the cluster lacks " + strings.Join(missing, ", "), nil
	}
	a, err := t.Send(ctx, c)
	if err != nil {
		return Failed, "", fmt.Errorf("send case %s: %w", c.ID, err)
	}
	diff, err := c.Compare(a)
	if err != nil {
		return Failed, "", err
	}
	known, listed := differenceOf(c.ID, cluster)
	switch {
	case diff == "" && listed:
		return Failed, "passes, but is listed as different: " + known.Why, nil
	case diff == "":
		return Passed, "", nil
	case listed && known.Status == a.Status:
		return Listed, known.Why, nil
	case listed:
		return Failed, fmt.Sprintf("status %d, want %d as listed (%s): %.500s", a.Status, known.Status, known.Why, a.Body), nil
	}
	return Failed, diff, nil
}

// Tally counts results.
type Tally [Failed + 1]int

// String is the summary of a run.
func (t Tally) String() string {
	n := 0
	for _, count := range slices.All(t[:]) {
		n += count
	}
	return fmt.Sprintf("%d cases: %d passed, %d listed as different, %d skipped, %d failed",
		n, t[Passed], t[Listed], t[Skipped], t[Failed])
}
