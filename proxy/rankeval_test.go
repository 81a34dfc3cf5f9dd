package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// evaluating is a cluster that evaluates whatever it gets, and keeps it.
func evaluating(t *testing.T, bodies *[]string) string {
	t.Helper()
	return cluster(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, evaluationTail) {
			_, _ = io.WriteString(w, firstStageAnswer)
			return
		}
		*bodies = append(*bodies, r.RequestURI+" "+string(body))
		_, _ = io.WriteString(w, `{"metric_score":0.5,"details":{"q":{"hits":[{"hit":{"_index":"docs","_id":"b","_score":3.0},"rating":1}]}},"failures":{}}`)
	}).URL
}

func TestAnEvaluationGoesToTheClusterWithTheHitsInTheirOrder(t *testing.T) {
	var bodies []string
	b := start(t, []string{evaluating(t, &bodies)}, nil)
	body := `{"requests":[{"id":"q","request":` + rerankBody + `,"ratings":[]}],"metric":{"dcg":{"k":3}}}`
	a := send(t, http.MethodPost, b.url+"/docs/_rank_eval?ignore_unavailable=true", body)
	if want := `"hit":{"_index":"docs","_id":"b","_score":4.0}`; a.Status != 200 || !strings.Contains(string(a.Body), want) {
		t.Errorf("status %d: %s lacks %s", a.Status, a.Body, want)
	}
	if len(bodies) != 1 || !strings.HasPrefix(bodies[0], `/docs/_rank_eval?ignore_unavailable=true {"requests":[{"id":"q","request":{"query":{"bool":`) ||
		strings.Index(bodies[0], `["b"]`) > strings.Index(bodies[0], `["d"]`) || strings.Contains(bodies[0], `["c"]`) {
		t.Errorf("the cluster was asked %q", bodies)
	}
	for _, plain := range []string{
		`{"requests":[{"id":"q","request":{"query":{"match":{"t":"text_similarity_reranker"}}},"ratings":[]}],"metric":{"dcg":{}}}`,
		`{"requests":[`, `{"requests":[],"metric":{}}`,
	} {
		bodies = nil
		if send(t, http.MethodPost, b.url+"/docs/_rank_eval?x=%2f", plain); len(bodies) != 1 || bodies[0] != "/docs/_rank_eval?x=%2f "+plain {
			t.Errorf("%s became %q", plain, bodies)
		}
	}
}

// The figures of a search that couldn't be reranked would be those of another
// ranking, so it is a failure, unless the request itself allows it.
func TestADegradedSearchIsAFailureOfAnEvaluation(t *testing.T) {
	var bodies []string
	b := start(t, []string{evaluating(t, &bodies)}, failing(func(context.Context, string, []string) ([]float32, error) { return nil, errors.New("broken") }))
	for body, want := range map[string]string{
		rerankBody:      `"failures":{"q":{"error":{"root_cause":[{"type":"status_exception","reason":"rerankd could not score the documents: reason=model_error"}]`,
		lenient("true"): `"failures":{}`,
	} {
		a := send(t, http.MethodPost, b.url+"/docs/_rank_eval", `{"requests":[{"id":"q","request":`+body+`,"ratings":[]},{"id":"p","request":{}}],"metric":{"dcg":{"k":3}}}`)
		if a.Status != 200 || !strings.Contains(string(a.Body), want) {
			t.Errorf("status %d: %s lacks %s", a.Status, a.Body, want)
		}
	}
}
