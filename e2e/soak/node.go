package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
)

const (
	window    = 30       // hits of a search
	hitWords  = 70       // words of a hit's text, as of a paragraph
	documents = 11 << 10 // bytes of a document
	lexicon   = "lock memory thread queue valve ocean market letter engine garden number river window signal bridge forest"
)

var lexemes = strings.Fields(lexicon)

// node stands in for a cluster that has what it is asked for at once, so that all
// the load is the program's: a search has thirty hits, which are the same when it
// is asked again and others for any other search; everything else is a document.
func node(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the program has given the request up
	}
	h := w.Header()
	h.Set("X-Elastic-Product", "Elasticsearch")
	h.Set("Content-Type", "application/json")
	answer := document
	if strings.HasSuffix(r.URL.Path, "/_search") {
		answer = hits(body)
	}
	h.Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = io.WriteString(w, answer) // a program that is gone has said so itself
}

var document = `{"_id":"1","_source":{"text":"` + strings.Repeat("x", documents) + `"}}`

// hits answers a search with texts that are made of it.
func hits(search []byte) string {
	h := fnv.New64a()
	_, _ = h.Write(search) // a hash takes everything
	random := rand.New(rand.NewPCG(h.Sum64(), 0))
	var list strings.Builder
	for i := range window {
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprintf(&list, `{"_index":"soak","_id":"%d","_score":%d.5,"_source":{"n":%d},"fields":{"text":[%q]}}`, i, window-i, i, words(random, hitWords))
	}
	return fmt.Sprintf(`{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},`+
		`"hits":{"total":{"value":%d,"relation":"eq"},"max_score":%d.5,"hits":[%s]}}`, window, window, list.String())
}

func words(random *rand.Rand, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = lexemes[random.IntN(len(lexemes))]
	}
	return strings.Join(list, " ")
}
