package conformance

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed cases/*.json
var files embed.FS

// Case is one request with what Elasticsearch answers.
type Case struct {
	// ID names the case, once in the whole suite.
	ID string `json:"id"`
	// Row is the number of the case in the list of the behaviour to match; 0: none.
	Row int `json:"row,omitempty"`
	// Note says what the case shows.
	Note    string            `json:"note"`
	Method  string            `json:"method,omitempty"` // "": POST
	Path    string            `json:"path"`
	Query   string            `json:"query,omitempty"` // of the URL
	Headers map[string]string `json:"headers,omitempty"`
	// Body is sent as it is when it is a JSON string, without blanks when it is an
	// object, and as one line an element when it is an array.
	Body json.RawMessage `json:"body,omitempty"`
	// PIT is an index at which a point in time is opened first; ${pit} in the body
	// stands for its id.
	PIT string `json:"pit,omitempty"`
	// Needs names what a cluster must have: a module such as lang-painless, or one
	// of the Needs constants.
	Needs []string `json:"needs,omitempty"`

	Status int `json:"status,omitempty"` // 0: 200
	// Answer is what must be in the answer; see [Diff].
	Answer json.RawMessage `json:"answer,omitempty"`
	// Lacks are paths that must not be in the answer: names separated by dots, *
	// for each element of an array.
	Lacks []string `json:"lacks,omitempty"`
	// Equal are pairs of paths whose values are the same.
	Equal [][2]string `json:"equal,omitempty"`
	// Header is what must stand in the answer's header, by name.
	Header map[string]string `json:"header,omitempty"`

	recorded bool // Answer is the whole body of an answer of the original
}

// Cases returns the suite's own cases in the order of their files.
func Cases() ([]Case, error) {
	names, err := fs.Glob(files, "cases/*.json")
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	var all []Case
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read cases: %w", err)
		}
		var list []Case
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&list); err != nil {
			return nil, fmt.Errorf("read cases: %s: %w", path.Base(name), err)
		}
		all = append(all, list...)
	}
	return all, checkCases(all)
}

func checkCases(all []Case) error {
	seen := map[string]bool{}
	for _, c := range all {
		switch {
		case c.ID == "" || c.Note == "" || c.Path == "":
			return fmt.Errorf("case %q: id, note and path are needed", c.ID)
		case seen[c.ID]:
			return fmt.Errorf("case %s is there twice", c.ID)
		case c.Answer == nil && c.Status == 0:
			return fmt.Errorf("case %s expects nothing", c.ID)
		}
		seen[c.ID] = true
	}
	return nil
}

// Recorded reads the exchanges with the original out of cases.jsonl in a folder.
// The error wraps [fs.ErrNotExist] where there is none.
func Recorded(folder string) ([]Case, error) {
	file, err := os.Open(filepath.Join(folder, "cases.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("read recorded answers: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	var all []Case
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var r struct {
			ID, Note, Method, Path, Query, Needs string
			Headers                              map[string]string
			Body                                 *string
			Status                               int
			Response                             json.RawMessage
			ResponseHeaders                      map[string]string `json:"response_headers"`
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("read recorded answers: %w", err)
		}
		c := Case{
			ID: "recorded/" + r.ID, Note: r.Note, Method: r.Method, Path: r.Path, Query: r.Query,
			Headers: r.Headers, Status: r.Status, Answer: r.Response, recorded: true,
			Header: map[string]string{"Content-Type": r.ResponseHeaders["content-type"]},
		}
		if r.Body != nil {
			if c.Body, err = json.Marshal(*r.Body); err != nil {
				return nil, fmt.Errorf("read recorded answers: %s: %w", r.ID, err)
			}
		}
		if r.Needs != "" {
			c.Needs = []string{"lang-" + r.Needs}
		}
		all = append(all, c)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read recorded answers: %w", err)
	}
	return all, nil
}

// body is what is sent, and the media type that goes with it.
func (c Case) body(pit string) (text, mediaType string, err error) {
	if len(c.Body) == 0 {
		return "", "", nil
	}
	mediaType = "application/json"
	switch c.Body[0] {
	case '"':
		err = json.Unmarshal(c.Body, &text)
	case '[':
		mediaType = "application/x-ndjson"
		text, err = lines(c.Body)
	default:
		text, err = compact(c.Body)
	}
	return strings.ReplaceAll(text, "${pit}", pit), mediaType, err
}

func lines(list json.RawMessage) (string, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(list, &items); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, item := range items {
		line, err := compact(item)
		if err != nil {
			return "", err
		}
		b.WriteString(line + "\n")
	}
	return b.String(), nil
}

func compact(value json.RawMessage) (string, error) {
	var b bytes.Buffer
	err := json.Compact(&b, value)
	return b.String(), err
}

// missing are the needs of the case that the cluster doesn't serve.
func (c Case) missing(has func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(c.Needs), has)
}

var errExpected = errors.New("unusable expectation")
