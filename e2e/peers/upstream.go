package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Answers of the upstream, by the index that is asked: about as long as a small
// and a usual answer to a search.
const small, large = 1 << 10, 11 << 10

// upstream plays a cluster that does nothing but answer, and lets everybody do
// everything.
type upstream struct {
	server *http.Server
	port   string
}

func startUpstream(ctx context.Context) (*upstream, error) {
	l, port, err := listen(ctx, "0")
	if err != nil {
		return nil, err
	}
	u := &upstream{port: port, server: &http.Server{Handler: cluster(), ReadHeaderTimeout: time.Minute}}
	go func() { _ = u.server.Serve(l) }() // ends with Close
	return u, nil
}

func (u *upstream) stop() { _ = u.server.Close() }

func cluster() http.Handler {
	documents := map[string][]byte{}
	for name, size := range map[string]int{"small": small, "large": large} {
		hit := []byte(`{"_id":"1","_score":1.50},`)
		documents[name] = bytes.Repeat(hit, size/len(hit))
	}
	say := func(w http.ResponseWriter, body []byte) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // a client that is gone has said so itself
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		index, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch document, known := documents[index]; {
		case known:
			say(w, document)
		case r.URL.Path == "/_security/user/_has_privileges":
			say(w, []byte(`{"username":"bench","has_all_requested":true}`))
		case r.URL.Path == "/":
			say(w, []byte(`{"name":"bench","cluster_name":"bench","version":{"number":"8.19.0"},"tagline":"You Know, for Search"}`))
		default:
			http.NotFound(w, r)
		}
	})
}
