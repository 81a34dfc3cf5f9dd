package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
)

// conversation is a row of requests on one state of the cluster. Each request
// has a connection of its own.
type conversation struct {
	name     string
	writes   bool // starts with an empty scratch index
	requests []request
}

const (
	jsonType   = "Content-Type: application/json"
	ndjsonType = "Content-Type: application/x-ndjson"
	vendorType = "application/vnd.elasticsearch+json; compatible-with=%d"
	bulkBody   = `{"index":{"_id":"1"}}` + "\n" + `{"a": 1.50, "b":"<é>\u00e9"}` + "\n" +
		`{"delete":{"_id":"9"}}` + "\n" + `{"create":{"_id":"1"}}` + "\n" + `{}` + "\n"
)

// one is a conversation of a single request that changes nothing.
func one(name string, r request) conversation {
	return conversation{name: name, requests: []request{r}}
}

func get(target string, header ...string) request {
	return request{method: "GET", target: target, header: header}
}

func post(target, body string, header ...string) request {
	return request{method: "POST", target: target, header: append([]string{jsonType}, header...), body: body}
}

// with names the values that differ in the answer.
func (r request) with(names ...string) request { r.volatile = names; return r }

func conversations() []conversation {
	return append(append(append(reads(), searches()...), spellings()...), writes()...)
}

func reads() []conversation {
	return []conversation{
		one("root page", get("/").with("time zone")),
		one("HEAD of the root page", request{method: "HEAD", target: "/"}),
		one("HEAD of an index", request{method: "HEAD", target: "/e2e-pass"}),
		one("HEAD of an absent index", request{method: "HEAD", target: "/e2e-absent"}),
		one("HEAD of a document", request{method: "HEAD", target: "/e2e-pass/_doc/1"}),
		one("document", get("/e2e-pass/_doc/1")),
		one("absent document", get("/e2e-pass/_doc/none")),
		one("source of a document", get("/e2e-pass/_source/2")),
		one("mget", post("/e2e-pass/_mget", `{"ids":["1","none","2"]}`)),
		one("mapping, packed", get("/e2e-pass/_mapping", "Accept-Encoding: gzip")),
		one("aliases", get("/_alias/e2e-pass-alias")),
		one("cat as text", get("/_cat/count/e2e-pass?v&h=count")),
		one("cat aliases as text", get("/_cat/aliases/e2e-pass-alias?v")),
		one("cat as JSON", get("/_cat/aliases/e2e-pass-alias?format=json&pretty")),
		one("health", get("/_cluster/health/e2e-pass?filter_path=cluster_name,timed_out,number_of_nodes")),
		one("flat settings", get("/e2e-pass/_settings/index.number_of_shards?flat_settings=true")),
		one("field capabilities", get("/e2e-pass/_field_caps?fields=*")),
		one("analyze", post("/_analyze", `{"analyzer":"standard","text":"A <b>quick</b> fox"}`)),
		one("explain", post("/e2e-pass/_explain/1", `{"query":{"match":{"text":"quick"}}}`)),
		one("validate", post("/e2e-pass/_validate/query?explain=true", `{"query":{"match":{"text":"quick"}}}`)),
		one("OPTIONS", request{method: "OPTIONS", target: "/e2e-pass/_search"}),
		one("OPTIONS of no route", request{method: "OPTIONS", target: "/_no/such/route"}),
		one("no route", get("/_no/such/route")),
		one("no such method", post("/_cat/count", "")),
		one("unknown method", request{method: "PROPFIND", target: "/e2e-pass"}),
		one("deep path", get("/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p")),
		one("wrong URL parameter", get("/e2e-pass/_count?no_such_parameter=1")),
		one("opaque id", get("/e2e-pass/_count", "X-Opaque-Id: caller-7", "User-Agent: curl/8.0", "X-Forwarded-For: 192.0.2.7", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
		one("YAML answer", get("/e2e-pass/_doc/1?format=yaml")),
		one("CBOR answer", get("/e2e-pass/_doc/1?format=cbor")),
		one("text of a template API", post("/_render/template", `{"source":"{}"}`)),
	}
}

func searches() []conversation {
	all := `{"query":{"match_all":{}},"sort":["n"]}`
	name := `{"query":{"match":{"text":"text_similarity_reranker"}},"_source":["text_similarity_reranker"]}`
	return []conversation{
		one("search", post("/e2e-pass/_search", all).with("took")),
		one("search without its time, packed", post("/e2e-pass/_search?filter_path=hits,_shards", all, "Accept-Encoding: gzip")),
		one("search with its time, packed", post("/e2e-pass/_search", all, "Accept-Encoding: gzip").with("took")),
		one("packed search", request{method: "POST", target: "/e2e-pass/_search", header: []string{jsonType, "Content-Encoding: gzip"}, body: gzipped(all)}.with("took")),
		one("search in chunks", request{method: "POST", target: "/e2e-pass/_search", header: []string{jsonType}, body: all, chunked: true}.with("took")),
		one("search in chunks with a trailer", request{method: "POST", target: "/e2e-pass/_search", header: []string{jsonType}, body: all, chunked: true, trailer: "X-Sum: 1"}.with("took")),
		one("GET with a body", request{method: "GET", target: "/e2e-pass/_search", header: []string{jsonType}, body: all}.with("took")),
		one("GET without a body", get("/e2e-pass/_search").with("took")),
		one("POST without a body", post("/e2e-pass/_search", "").with("took")),
		one("body in the URL", get("/e2e-pass/_search?source=%7B%22size%22%3A1%7D&source_content_type=application/json").with("took")),
		one("query in the URL", get("/e2e-pass/_search?q=text:fox&size=1").with("took")),
		one("several parameters of one name", get("/e2e-pass/_search?size=1&size=2").with("took")),
		one("all indices", post("/_search?expand_wildcards=open&size=0", `{"query":{"ids":{"values":["none"]}}}`).with("took")),
		one("alias", post("/e2e-pass-alias/_search", all).with("took")),
		one("several indices", post("/e2e-pass,e2e-logs-*/_search", `{"size":0}`).with("took")),
		one("absent index", post("/e2e-absent/_search", all)),
		one("broken JSON", post("/e2e-pass/_search", `{"query":`)),
		one("unknown query", post("/e2e-pass/_search", "{\n \"query\": {\"mtach\": {}}}")),
		one("unknown retriever", post("/e2e-pass/_search", `{"retriever":{"no_such":{}}}`)),
		one("plain retriever", post("/e2e-pass/_search", `{"retriever":{"standard":{"query":{"match":{"text":"fox"}}}}}`).with("took")),
		one("the reranker's name elsewhere", post("/e2e-pass/_search", name).with("took")),
		one("aggregation", post("/e2e-pass/_search?typed_keys=true", `{"size":0,"aggs":{"t":{"terms":{"field":"tag"}},"s":{"stats":{"field":"n"}}}}`).with("took")),
		one("totals as numbers", post("/e2e-pass/_search?rest_total_hits_as_int=true&pretty&human", all).with("pretty took")),
		one("search by a template", post("/e2e-pass/_search/template", `{"source":"{\"size\":1}","params":{}}`)),
		one("search by a stored template", post("/e2e-pass/_search/template?typed_keys=true", `{"id":"absent"}`)),
		one("multi search by templates", request{method: "POST", target: "/_msearch/template", header: []string{ndjsonType}, body: "{}\n{\"id\":\"absent\"}\n"}),
		one("asynchronous search", post("/e2e-pass/_async_search?wait_for_completion_timeout=1s", `{"size":1}`)),
		one("asynchronous search to come back for", get("/_async_search/abc")),
		one("body in the URL without its type", get("/e2e-pass/_search?source=%7B%7D")),
		one("multi search in the URL", get("/e2e-pass/_msearch?source=%7B%7D%0A%7B%22size%22%3A0%7D%0A&source_content_type=application%2Fx-ndjson").with("took")),
		one("ranking to evaluate", post("/e2e-pass/_rank_eval", `{"requests":[],"metric":{"precision":{}}}`)),
		one("YAML request", request{method: "POST", target: "/e2e-pass/_search", header: []string{"Content-Type: application/yaml"}, body: "---\nsize: 1\n"}.with("yaml took", "took")),
		one("vendor type of version 8", request{
			method: "POST", target: "/e2e-pass/_search", body: all,
			header: []string{"Content-Type: " + fmt.Sprintf(vendorType, 8), "Accept: " + fmt.Sprintf(vendorType, 8)},
		}.with("took")),
		one("vendor type of version 9", request{
			method: "POST", target: "/e2e-pass/_search", body: all,
			header: []string{"Content-Type: " + fmt.Sprintf(vendorType, 9), "Accept: " + fmt.Sprintf(vendorType, 9)},
		}),
		one("versions that disagree", request{
			method: "POST", target: "/e2e-pass/_search", body: all,
			header: []string{"Content-Type: " + fmt.Sprintf(vendorType, 8), "Accept: " + fmt.Sprintf(vendorType, 7)},
		}),
		one("body without a type", request{method: "POST", target: "/e2e-pass/_search", body: all}),
		one("wrong type", request{method: "POST", target: "/e2e-pass/_search", header: []string{"Content-Type: text/plain"}, body: all}),
		one("deprecated form, which warns", post("/e2e-pass/_search", `{"size":0,"indices_boost":{"e2e-pass":2}}`).with("took")),
		one("count", post("/e2e-pass/_count", `{"query":{"match":{"text":"fox"}}}`)),
		one("msearch", request{
			method: "POST", target: "/_msearch", header: []string{ndjsonType},
			body: `{"index":"e2e-pass"}` + "\n" + all + "\n" + `{"index":"e2e-absent"}` + "\n{}\n" + `{"index":"e2e-pass"}` + "\n" + `{"size":0}` + "\n",
		}.with("took")),
		{name: "scroll", requests: []request{
			{method: "POST", target: "/e2e-pass/_search?scroll=1m", header: []string{jsonType}, body: `{"size":4,"sort":["n"]}`, volatile: []string{"took", "scroll id"}, save: "_scroll_id"},
			post("/_search/scroll", `{"scroll":"1m","scroll_id":"{{_scroll_id}}"}`).with("took", "scroll id"),
			{method: "DELETE", target: "/_search/scroll", header: []string{jsonType}, body: `{"scroll_id":"{{_scroll_id}}"}`},
			post("/_search/scroll", `{"scroll":"1m","scroll_id":"bm90IGEgc2Nyb2xs"}`),
		}},
		{name: "point in time", requests: []request{
			{method: "POST", target: "/e2e-pass/_pit?keep_alive=1m", volatile: []string{"pit id"}, save: "id"},
			post("/_search", `{"pit":{"id":"{{id}}","keep_alive":"1m"},"size":2,"sort":["n"]}`).with("took", "pit id"),
			{method: "DELETE", target: "/_pit", header: []string{jsonType}, body: `{"id":"{{id}}"}`},
		}},
	}
}

// spellings are paths that a parser may want to write in another way.
func spellings() []conversation {
	return []conversation{
		one("date math, escaped", get("/%3Ce2e-logs-%7B2024.01.02%7C%7C%2Fd%7D%3E/_count")),
		one("date math, partly bare", get("/<e2e-logs-{2024.01.02%7C%7C%2Fd}>/_count")),
		one("slash in an id", get("/e2e-pass/_doc/a%2Fb")),
		one("slash in an id, small letters", get("/e2e-pass/_doc/a%2fb")),
		one("HTML in an id", get("/e2e-pass/_doc/%3C3%20%26%20%C3%A4")),
		one("HTML entities in an id", get("/e2e-pass/_doc/&lt;3&amp;")),
		one("plus in an id", get("/e2e-pass/_doc/a+b")),
		one("escaped plus in an id", get("/e2e-pass/_doc/a%2Bb")),
		one("needless escapes", get("/e2e%2Dpass/%5Fcount")),
		one("letters beyond ASCII", get("/e2e-pass/_doc/a%C2%B2?_source=n")),
		one("slash at the end", get("/e2e-pass/_search/?size=0").with("took")),
		one("two slashes", get("/e2e-pass//_count")),
		one("two slashes in front", get("//e2e-pass/_count")),
		one("dots", get("/e2e-pass/../e2e-pass/_count")),
		one("a lonely percent sign in the query", get("/e2e-pass/_count?q=50%")),
		one("a semicolon in the query", get("/e2e-pass/_count?q=a;b")),
		one("an empty query", get("/e2e-pass/_count?")),
		one("blanks as plus in the query", get("/e2e-pass/_count?q=text:fox+AND+tag:x")),
		one("an escaped index of a search", post("/e2e%2Dpass%2Ce2e-logs-2024.01.02/_search", `{"size":0}`).with("took")),
	}
}

func writes() []conversation {
	bulk := func(name string, r request) conversation {
		r.method, r.volatile = "POST", []string{"took", "index uuid"}
		if r.target == "" {
			r.target = "/" + scratch + "/_bulk"
		}
		if r.header == nil {
			r.header = []string{ndjsonType}
		}
		count := get("/" + scratch + "/_count")
		return conversation{name: name, writes: true, requests: []request{r, {method: "POST", target: "/" + scratch + "/_refresh"}, count}}
	}
	return []conversation{
		bulk("bulk", request{body: bulkBody}),
		bulk("bulk with its index in the lines", request{target: "/_bulk", body: strings.ReplaceAll(bulkBody, `{"_id"`, `{"_index":"`+scratch+`","_id"`)}),
		bulk("bulk without a line end", request{body: strings.TrimSuffix(bulkBody, "\n")}),
		bulk("packed bulk", request{header: []string{ndjsonType, "Content-Encoding: gzip", "Accept-Encoding: gzip"}, body: gzipped(bulkBody)}),
		bulk("bulk in chunks", request{body: bulkBody, chunked: true}),
		bulk("bulk of the vendor type", request{header: []string{"Content-Type: application/vnd.elasticsearch+x-ndjson; compatible-with=8", "Accept: " + fmt.Sprintf(vendorType, 8)}, body: bulkBody}),
		bulk("bulk of 10 MB", request{body: largeBulk()}),
		bulk("bulk of 10 MB in chunks", request{body: largeBulk(), chunked: true}),
		{name: "document, update, conflict, delete", writes: true, requests: []request{
			{method: "PUT", target: "/" + scratch + "/_doc/1?refresh=true", header: []string{jsonType}, body: `{"a": 1.0}`},
			post("/"+scratch+"/_update/1", `{"doc":{"b":"<"}}`),
			post("/"+scratch+"/_update/1", `{"doc":{"b":"<"}}`),
			{method: "PUT", target: "/" + scratch + "/_doc/1?if_seq_no=99&if_primary_term=1", header: []string{jsonType}, body: `{}`, volatile: []string{"index uuid"}},
			{method: "PUT", target: "/" + scratch + "/_create/1", header: []string{jsonType}, body: `{}`, volatile: []string{"index uuid"}},
			{method: "DELETE", target: "/" + scratch + "/_doc/1"},
			{method: "DELETE", target: "/" + scratch + "/_doc/1"},
		}},
		one("index name that is refused", request{method: "PUT", target: "/E2E-Upper"}),
		one("index that exists", request{method: "PUT", target: "/e2e-pass"}),
		one("document that can't be parsed", request{method: "PUT", target: "/e2e-pass/_doc/bad", header: []string{jsonType}, body: `{"n":"no number"}`}),
	}
}

// largeBulk is a bulk body of a little over 10 MB.
func largeBulk() string {
	var b strings.Builder
	text := strings.Repeat("elastic pass through ", 50)
	for i := 0; b.Len() < 10<<20; i++ {
		fmt.Fprintf(&b, "{\"index\":{\"_id\":\"%d\"}}\n{\"i\":%d,\"blob\":%q}\n", i, i, text)
	}
	return b.String()
}

func gzipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	// Writing into memory can't fail.
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}
