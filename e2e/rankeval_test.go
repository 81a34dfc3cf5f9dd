package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/internal/relevance"
)

// evaluated is what clients read of an evaluation.
type evaluated struct {
	Score    float64                     `json:"metric_score"`
	Details  map[string]evaluatedRequest `json:"details"`
	Failures map[string]any              `json:"failures"`
}

type evaluatedRequest struct {
	Score float64 `json:"metric_score"`
	Hits  []struct {
		Hit    json.RawMessage `json:"hit"`
		Rating *int            `json:"rating"`
	} `json:"hits"`
}

// evaluation is the body of a _rank_eval.
type evaluation struct {
	Requests []struct {
		ID      string         `json:"id"`
		Request map[string]any `json:"request"`
		Ratings []struct {
			Index  string `json:"_index"`
			ID     string `json:"_id"`
			Rating int    `json:"rating"`
		} `json:"ratings"`
	} `json:"requests"`
	Metric map[string]struct {
		K         int  `json:"k"`
		Normalize bool `json:"normalize"`
		Greatest  int  `json:"maximum_relevance"`
	} `json:"metric"`
}

// rankEval is the real cluster with a stand-in for its rank-eval module, which the
// distribution of Maven Central lacks: it has the cluster execute each request,
// with the size of the metric and no source, as the module does, and computes the
// metric by the formulas that Elasticsearch documents.
func rankEval(t *testing.T) *httptest.Server {
	t.Helper()
	target, err := url.Parse(cluster(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true} // no connection outlives its test
	relay := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		index, found := strings.CutSuffix(r.URL.Path, "/_rank_eval")
		if !found {
			relay.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read an evaluation: %v", err)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(evaluate(t, target.String()+index, body)) //nolint:contextcheck // that of the test holds
	}))
	t.Cleanup(server.Close)
	return server
}

func evaluate(t *testing.T, base string, body []byte) []byte {
	t.Helper()
	asked := decode[evaluation](t, body)
	out := evaluated{Details: map[string]evaluatedRequest{}, Failures: map[string]any{}}
	for _, one := range asked.Requests {
		for name, metric := range asked.Metric {
			one.Request["size"], one.Request["_source"] = metric.K, false
			a := send(t, http.MethodPost, base+"/_search", string(encode(t, one.Request)))
			if a.Status != http.StatusOK {
				out.Failures[one.ID] = decode[map[string]any](t, a.Body)
				continue
			}
			ratings := map[string]int{}
			for _, r := range one.Ratings {
				ratings[r.Index+"/"+r.ID] = r.Rating
			}
			var detail evaluatedRequest
			var grades []int
			for _, hit := range decode[struct {
				Hits struct{ Hits []json.RawMessage }
			}](t, a.Body).Hits.Hits {
				key := decode[struct {
					Index string `json:"_index"`
					ID    string `json:"_id"`
				}](t, hit)
				detail.Hits = append(detail.Hits, struct {
					Hit    json.RawMessage `json:"hit"`
					Rating *int            `json:"rating"`
				}{Hit: hit})
				grade, rated := ratings[key.Index+"/"+key.ID]
				if rated {
					detail.Hits[len(detail.Hits)-1].Rating = &grade
				}
				grades = append(grades, grade)
			}
			detail.Score = metricOf(t, name, metric.Normalize, metric.Greatest, grades, ratings)
			out.Details[one.ID] = detail
			out.Score += detail.Score
		}
	}
	if n := len(out.Details); n > 0 {
		out.Score /= float64(n)
	}
	return encode(t, out)
}

// metricOf computes a metric of Elasticsearch over the grades of the hits found.
func metricOf(t *testing.T, name string, normalize bool, greatest int, grades []int, ratings map[string]int) float64 {
	t.Helper()
	found, relevant := 0, 0
	first := 0
	for i, g := range grades {
		if g >= 1 {
			found++
			if first == 0 {
				first = i + 1
			}
		}
	}
	ideal := []int{}
	for _, g := range ratings {
		if ideal = append(ideal, g); g >= 1 {
			relevant++
		}
	}
	gain := func(grades []int) (sum float64) {
		for i, g := range grades {
			sum += (math.Exp2(float64(g)) - 1) / math.Log2(float64(i)+2)
		}
		return sum
	}
	switch name {
	case "precision":
		return float64(found) / float64(len(grades))
	case "recall":
		return float64(found) / float64(relevant)
	case "mean_reciprocal_rank":
		if first == 0 {
			return 0
		}
		return 1 / float64(first)
	case "expected_reciprocal_rank":
		sum, goesOn := 0.0, 1.0
		for i, g := range grades {
			stops := (math.Exp2(float64(g)) - 1) / math.Exp2(float64(greatest))
			sum += goesOn * stops / float64(i+1)
			goesOn *= 1 - stops
		}
		return sum
	case "dcg":
		if !normalize {
			return gain(grades)
		}
		slices.SortFunc(ideal, func(a, b int) int { return b - a })
		return gain(grades) / gain(ideal[:min(len(ideal), len(grades))])
	}
	t.Fatalf("no metric %q", name)
	return 0
}

// An evaluation of reranked requests has the figures that the ranking of each
// request has by this program's own measures, and shows the hits with their own
// scores. Requests without a reranker, and those that fail, keep their place.
func TestAnEvaluationOfRerankedRequestsHasTheFiguresOfTheirRankings(t *testing.T) {
	itemIndex(t)
	p := startProxyAt(t, rankEval(t).URL, nil)
	grades := map[string]int{"a": 3, "c": 1, "e": 0}
	ratings := `[{"_index":"e2e-items","_id":"a","rating":3},{"_index":"e2e-items","_id":"c","rating":1},{"_index":"e2e-items","_id":"e","rating":0}]`
	request := func(id, body string) string {
		return fmt.Sprintf(`{"id":%q,"request":%s,"ratings":%s}`, id, body, ratings)
	}
	faulty := strings.Replace(feature{}.body(), mock, "none", 1)
	narrow := feature{more: `,"rank_window_size":2`}.body() // less than the metric's size
	requests := strings.Join([]string{
		request("reranked", feature{child: apple}.body()),
		request("two phases", feature{beside: `"post_filter":{"terms":{"tag":["x"]}}`}.body()),
		request("plain", `{"query":{"match":{"title":"apple"}}}`),
		request("faulty", faulty),
		request("narrow", narrow),
	}, ",")
	own := map[string]relevance.Ranking{}
	for id, body := range map[string]string{
		"reranked": feature{child: apple, beside: `"size":4`}.body(), "two phases": feature{beside: `"post_filter":{"terms":{"tag":["x"]}},"size":4`}.body(),
		"plain": `{"query":{"match":{"title":"apple"}},"size":4}`,
	} {
		for _, hit := range decode[found](t, send(t, http.MethodPost, p.url+"/e2e-items/_search", body).Body).ids() {
			own[id] = append(own[id], relevance.Hit{ID: hit})
		}
	}
	if cmp.Equal(own["reranked"], own["plain"]) {
		t.Fatal("reranking changes nothing here: the test shows nothing")
	}
	for metric, measure := range map[string]string{
		`"precision":{"k":4}`: "p@4", `"recall":{"k":4}`: "r@4",
		`"mean_reciprocal_rank":{"k":4}`: "mrr@4", `"dcg":{"k":4,"normalize":true}`: "ndcg_exp@4",
		`"expected_reciprocal_rank":{"k":4,"maximum_relevance":4}`: "err@4",
	} {
		t.Run(measure, func(t *testing.T) {
			m, err := relevance.ParseMeasure(measure)
			if err != nil {
				t.Fatal(err)
			}
			a := send(t, http.MethodPost, p.url+"/e2e-items/_rank_eval", `{"requests":[`+requests+`],"metric":{`+metric+`}}`)
			if a.Status != http.StatusOK {
				t.Fatal(a)
			}
			got := decode[evaluated](t, a.Body)
			mean := 0.0
			for id, ranking := range own {
				want := m.Of(ranking, grades)
				if strings.HasPrefix(measure, "p@") { // over the hits there are, not over k
					want *= 4 / float64(len(ranking))
				}
				if diff := math.Abs(got.Details[id].Score - want); diff > 1e-9 {
					t.Errorf("%s of %q = %v, want %v", measure, id, got.Details[id].Score, want)
				}
				mean += want / float64(len(own))
			}
			if math.Abs(got.Score-mean) > 1e-9 || len(got.Details) != len(own) {
				t.Errorf("%s = %v over %d requests, want %v over %d", measure, got.Score, len(got.Details), mean, len(own))
			}
			failures := string(encode(t, got.Failures))
			for _, want := range []string{"Inference endpoint not found [none]", "[rank_window_size: 2] be greater than or equal to [size: 4]"} {
				if len(got.Failures) != 2 || !strings.Contains(failures, want) {
					t.Errorf("failures %s lack %q", failures, want)
				}
			}
		})
	}
	t.Run("hits with their own scores", func(t *testing.T) {
		a := send(t, http.MethodPost, p.url+"/e2e-items/_rank_eval?filter_path=details.*.hits.hit._id,details.*.hits.hit._score,details.*.hits.rating",
			`{"requests":[`+request("r", feature{child: apple}.body())+`],"metric":{"dcg":{"k":3}}}`)
		want := `{"details":{"r":{"hits":[{"hit":{"_id":"b","_score":5.0},"rating":null},{"hit":{"_id":"e","_score":3.0},"rating":0},{"hit":{"_id":"a","_score":1.0},"rating":3}]}}}`
		if d := cmp.Diff(exact(t, []byte(want)), exact(t, a.Body)); d != "" {
			t.Errorf("%s\n%s", a, d)
		}
	})
	t.Run("a request that can't be read", func(t *testing.T) {
		body := `{"requests":[` + request("r", `{"retriever":{"text_similarity_reranker":{"fields":"x"}}}`) + `],"metric":{"dcg":{"k":3}}}`
		wantError(t, send(t, http.MethodPost, p.url+"/e2e-items/_rank_eval", body), http.StatusBadRequest,
			fmt.Sprintf("[1:%d] [text_similarity_reranker] unknown field [fields]", strings.Index(body, `"fields"`)+1))
	})
	t.Run("all failed", func(t *testing.T) {
		a := send(t, http.MethodPost, p.url+"/e2e-items/_rank_eval", `{"requests":[`+request("r", narrow)+`],"metric":{"dcg":{"k":3}}}`)
		if a.Status != http.StatusOK || !strings.HasPrefix(string(a.Body), `{"metric_score":"NaN","details":{},"failures":{"r":{"error":{"root_cause":[`) {
			t.Error(a)
		}
	})
}
