package e2e

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/rerankd/rerankd/configs"
)

// leave sends a search on a connection of its own and hangs up when it is told.
func leave(t *testing.T, p *program, index, body string, when func()) {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	request := request{method: http.MethodPost, target: "/" + index + "/_search", header: []string{jsonType}, body: body}
	if _, err := conn.Write(request.bytes(nil)); err != nil {
		t.Fatal(err)
	}
	when()
}

func TestAClientWhoHangsUpWhileTheClusterWorksEndsThatWork(t *testing.T) {
	itemIndex(t)
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), func(c *configs.Config) { c.Upstream.HealthInterval = time.Hour })
	body := `{"retriever":` + reranker(mock, "q", "score", all, "") + `}`
	r.take()
	r.mute()
	leave(t, p, "e2e-items", body, func() { awaitSearch(t, r) })
	p.logs.waitFor(t, map[string]any{"msg": "search", "status": 499.0, "outcome": "client_gone", "level": "INFO"})
	if n := p.metric(t, `rerankd_requests_total{outcome="client_gone",route="rerank"}`); n != "1" {
		t.Errorf("requests counted as client_gone: %s, want 1", n)
	}
	// The node is as good as before: nobody has to wait for a probe of it.
	r.mend()
	search(t, p.url+"/e2e-items/_search", body)
	if lines, _ := p.logs.matching(map[string]any{"msg": "upstream node is down"}); len(lines) > 0 {
		t.Errorf("the node was taken for dead: %v", lines)
	}
}

func TestAClientWhoHangsUpWhileTheModelWorksEndsThatWork(t *testing.T) {
	longIndex(t)
	var model string
	p := startProxy(t, func(c *configs.Config) { model = endlessModel(t, c) })
	leave(t, p, "e2e-long", longSearch("q", ""), func() { p.awaitRunning(t, model, 1) })
	line := p.logs.waitFor(t, map[string]any{"msg": "search"})
	if line["outcome"] != "client_gone" || line["status"] != 499.0 || line["passages"] != float64(longTexts) {
		t.Errorf("log line %v, want outcome client_gone and status 499", line)
	}
	p.awaitRunning(t, model, 0)
}
