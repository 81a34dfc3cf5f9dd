package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// bulkDocuments is how many documents one bulk request carries: about
	// 200 KB, and a progress bar that moves.
	bulkDocuments = 500

	// maxAnswer bounds the answers that are read.
	maxAnswer = 32 << 20

	// callLimit bounds one request. The longest are a bulk on a busy machine
	// and a cold rerank.
	callLimit = 2 * time.Minute
)

// elastic speaks to the cluster through the proxy, with one index.
type elastic struct {
	base          string // the proxy's address
	index         string
	authorization string // "" for a cluster without security
	client        *http.Client
}

func newElastic(base, index, authorization string) *elastic {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // the address is on this machine
	return &elastic{base: base, index: index, authorization: authorization, client: &http.Client{Transport: t, Timeout: callLimit}}
}

// close has the form of the other steps of cleaning up.
func (e *elastic) close(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// createIndex makes the index; it is an error if there is one of that name.
func (e *elastic) createIndex(ctx context.Context) error {
	const settings = `{
		"settings": {"number_of_shards": 1, "number_of_replicas": 0},
		"mappings": {"dynamic": "strict", "properties": {
			"name": {"type": "keyword"}, "package": {"type": "keyword"}, "kind": {"type": "keyword"},
			"signature": {"type": "text", "index": false}, "text": {"type": "text"}}}}`
	_, _, err := e.call(ctx, http.MethodPut, "/"+e.index, "application/json", []byte(settings))
	if err != nil {
		return fmt.Errorf("create index %s: %w", e.index, err)
	}
	return nil
}

func (e *elastic) deleteIndex(ctx context.Context) error {
	if _, _, err := e.call(ctx, http.MethodDelete, "/"+e.index, "", nil); err != nil {
		return fmt.Errorf("delete index %s: %w", e.index, err)
	}
	return nil
}

// addAll indexes the corpus and makes it visible to searches. It calls progress
// with the number of documents indexed so far.
func (e *elastic) addAll(ctx context.Context, docs []Document, progress func(done int)) error {
	for start := 0; start < len(docs); start += bulkDocuments {
		end := min(start+bulkDocuments, len(docs))
		if err := e.bulk(ctx, docs[start:end]); err != nil {
			return fmt.Errorf("index documents %d to %d: %w", start+1, end, err)
		}
		progress(end)
	}
	if _, _, err := e.call(ctx, http.MethodPost, "/"+e.index+"/_refresh", "", nil); err != nil {
		return fmt.Errorf("refresh index %s: %w", e.index, err)
	}
	return nil
}

func (e *elastic) bulk(ctx context.Context, docs []Document) error {
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for _, d := range docs {
		action := map[string]map[string]string{"index": {"_id": d.ID}}
		if err := errors.Join(lines.Encode(action), lines.Encode(d)); err != nil {
			return err
		}
	}
	answer, _, err := e.call(ctx, http.MethodPost, "/"+e.index+"/_bulk", "application/x-ndjson", body.Bytes())
	if err != nil {
		return err
	}
	var result struct {
		Errors bool `json:"errors"`
		Items  []struct {
			Index struct {
				ID    string          `json:"_id"`
				Error json.RawMessage `json:"error"`
			} `json:"index"`
		} `json:"items"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if !result.Errors {
		return nil
	}
	for _, item := range result.Items {
		if item.Index.Error != nil {
			return fmt.Errorf("document %s: %s", item.Index.ID, item.Index.Error)
		}
	}
	return errors.New("the cluster tells of errors without naming one")
}

// hit is one search result.
type hit struct {
	Name string
	Text string
}

// search runs a search body and returns the hits in order, the headers of the
// answer and the time from sending to the last byte.
func (e *elastic) search(ctx context.Context, body []byte) ([]hit, http.Header, time.Duration, error) {
	start := time.Now()
	answer, header, err := e.call(ctx, http.MethodPost, "/"+e.index+"/_search", "application/json", body)
	took := time.Since(start)
	if err != nil {
		return nil, nil, 0, err
	}
	var result struct {
		Hits struct {
			Hits []struct {
				Source Document `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return nil, nil, 0, fmt.Errorf("read the answer: %w", err)
	}
	hits := make([]hit, len(result.Hits.Hits))
	for i, h := range result.Hits.Hits {
		hits[i] = hit{Name: h.Source.ID, Text: h.Source.Text}
	}
	return hits, header, took, nil
}

// call sends one request and returns the answer's body and headers. A status
// other than 2xx is an error with the beginning of the body.
func (e *elastic) call(ctx context.Context, method, path, contentType string, body []byte) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, e.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if e.authorization != "" {
		req.Header.Set("Authorization", e.authorization)
	}
	res, err := e.client.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err
		}
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("read the answer: %w", err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, nil, fmt.Errorf("status %d: %s", res.StatusCode, clip(strings.TrimSpace(string(answer)), 500))
	}
	return answer, res.Header, nil
}
