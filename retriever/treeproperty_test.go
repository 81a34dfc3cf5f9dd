package retriever_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/retriever"
)

// plan is a retriever of a generated tree, from which both the request and the
// expected ranking are made.
type plan struct {
	kind       string
	children   []*plan
	window     int
	least      float64 // 0: none
	constant   int
	weights    []float64
	normalizer []string
	pins       []string
	found      []rankedDoc // a leaf's: all that it matches, in its order
}

type rankedDoc struct {
	id    string
	score float64
}

// generator makes trees over twelve documents, of which every third has no text.
type generator struct {
	*rand.Rand
	leaves []*plan
	pinned []*plan
}

const universe = 12

func name(doc int) string { return fmt.Sprintf("d%02d", doc) }

func (g *generator) tree(depth, parent int) *plan {
	kinds := []string{"leaf", "rrf", "linear", "pinned", "rescorer", "reranker"}
	p := &plan{kind: kinds[g.IntN(len(kinds))], window: parent + g.IntN(4)}
	if depth == 0 {
		p.kind = "reranker"
	}
	if depth > 3 {
		p.kind = "leaf"
	}
	if g.IntN(4) == 0 && p.kind != "leaf" && p.kind != "rescorer" {
		p.least = []float64{0.01, 0.3, 1.5}[g.IntN(3)]
	}
	children := 1
	switch p.kind {
	case "leaf":
		g.leaf(p)
		return p
	case "rrf", "linear":
		children = 1 + g.IntN(3)
		p.constant = 1 + g.IntN(80)
	case "pinned":
		for range 1 + g.IntN(2) {
			p.pins = append(p.pins, name(g.IntN(universe+2))) // some there are not
		}
		slices.Sort(p.pins)
		p.pins = slices.Compact(p.pins)
	}
	for range children {
		p.children = append(p.children, g.tree(depth+1, p.window))
		p.weights = append(p.weights, []float64{0, 0.5, 1, 1, 2}[g.IntN(5)])
		p.normalizer = append(p.normalizer, []string{"none", "minmax", "l2_norm"}[g.IntN(3)])
	}
	if p.kind == "pinned" {
		g.pinned = append(g.pinned, p) // in the order in which the tree is read
	}
	return p
}

// leaf finds some documents, with scores of which some are equal.
func (g *generator) leaf(p *plan) {
	for _, doc := range g.Perm(universe)[:g.IntN(universe+1)] {
		p.found = append(p.found, rankedDoc{name(doc), float64(g.IntN(8)) / 2})
	}
	inOrder(p.found)
	g.leaves = append(g.leaves, p)
}

// inOrder sorts by score, then by document.
func inOrder(list []rankedDoc) {
	slices.SortFunc(list, func(a, b rankedDoc) int {
		return cmp.Or(cmp.Compare(b.score, a.score), strings.Compare(a.id, b.id))
	})
}

func (p *plan) request() map[string]any {
	body := map[string]any{}
	if p.least > 0 {
		body["min_score"] = p.least
	}
	switch p.kind {
	case "leaf":
		return map[string]any{"standard": map[string]any{"query": map[string]any{"match_all": map[string]any{}}}}
	case "rrf", "linear":
		var entries []any
		for i, c := range p.children {
			entry := map[string]any{"retriever": c.request(), "weight": p.weights[i]}
			if p.kind == "linear" {
				entry["normalizer"] = p.normalizer[i]
			}
			entries = append(entries, entry)
		}
		body["retrievers"], body["rank_window_size"] = entries, p.window
		if p.kind == "rrf" {
			body["rank_constant"] = p.constant
		}
	case "pinned":
		body["ids"], body["retriever"], body["rank_window_size"] = p.pins, p.children[0].request(), p.window
	case "rescorer":
		body["retriever"], body["rescore"] = p.children[0].request(), map[string]any{"window_size": p.window}
	case "reranker":
		body["retriever"], body["rank_window_size"] = p.children[0].request(), p.window
		body["field"], body["inference_text"] = "text", "q"
		return map[string]any{"text_similarity_reranker": body}
	}
	return map[string]any{p.kind: body}
}

// logit is what the model says of a document, and rescoredBy what the cluster's
// rescorer adds; both give equal scores to some.
func logit(id string) float64      { return float64(int(id[2]-'0')%4) - 1 }
func rescoredBy(id string) float64 { return float64(int(id[2]-'0') % 3) }

// expected is the ranking by the plainest means.
func (p *plan) expected() []rankedDoc {
	var list []rankedDoc
	totals := map[string]float64{}
	lists := make([][]rankedDoc, len(p.children))
	for i, c := range p.children {
		lists[i] = firstOf(c.expected(), p.window)
	}
	switch p.kind {
	case "leaf":
		return p.found
	case "rrf":
		for i, l := range lists {
			for place, d := range l {
				totals[d.id] += p.weights[i] / float64(p.constant+place+1)
			}
		}
	case "linear":
		for i, l := range lists {
			for j, score := range normal(p.normalizer[i], l) {
				totals[l[j].id] += p.weights[i] * score
			}
		}
	case "pinned":
		for i, id := range p.pins {
			if id < name(universe) {
				totals[id] = math.Ldexp(1, 127) + float64(1+len(p.pins)-i)*math.Ldexp(1, 104)
			}
		}
		for _, d := range lists[0] {
			if !slices.Contains(p.pins, d.id) {
				totals[d.id] = min(d.score, math.Ldexp(1, 127))
			}
		}
	case "rescorer":
		for _, d := range lists[0] {
			totals[d.id] = d.score + rescoredBy(d.id)
		}
	case "reranker":
		for _, d := range lists[0] {
			raw := logit(d.id)
			if hasText(d.id) && (p.least == 0 || raw >= p.least) {
				totals[d.id] = max(raw, 0) + min(math.Exp(raw), 1)
			}
		}
	}
	for id, score := range totals {
		list = append(list, rankedDoc{id, score})
	}
	for i := range list { // as the cluster's scores are
		list[i].score = float64(float32(list[i].score))
	}
	inOrder(list)
	list = firstOf(list, p.window)
	if p.kind != "reranker" && p.least > 0 {
		list = slices.DeleteFunc(list, func(d rankedDoc) bool { return d.score < p.least })
	}
	return list
}

func firstOf(list []rankedDoc, n int) []rankedDoc { return slices.Clone(list[:min(n, len(list))]) }

func hasText(id string) bool { return int(id[2]-'0')%3 != 0 }

func normal(by string, list []rankedDoc) []float64 {
	out := make([]float64, len(list))
	least, greatest, squares := math.Inf(1), math.SmallestNonzeroFloat32, 0.0
	for _, d := range list {
		least, greatest, squares = min(least, d.score), max(greatest, d.score), squares+float64(float32(d.score)*float32(d.score)) // beyond float32 for pinned ones, as in the original
	}
	for i, d := range list {
		switch {
		case by == "minmax" && greatest-least < 1e-6:
			out[i] = 1
		case by == "minmax":
			out[i] = (d.score - least) / (greatest - least)
		case by == "l2_norm" && math.Sqrt(squares) >= 1e-6:
			out[i] = d.score / math.Sqrt(squares)
		default:
			out[i] = d.score
		}
	}
	return out
}

// world answers for the cluster and the model of a generated tree.
type world struct {
	t *testing.T
	g *generator
}

// hits is an answer of the cluster with the documents of a list.
func (w world) hits(list []rankedDoc, pins []string) string {
	var b strings.Builder
	b.WriteString(`{"took":1,"pit_id":"PIT","hits":{"hits":[`)
	for i, d := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		text, named := "", ""
		if hasText(d.id) {
			text = fmt.Sprintf(`,"fields":{"text":["%s"]}`, d.id)
		}
		if at := slices.Index(pins, d.id); at >= 0 {
			named = fmt.Sprintf(`,"matched_queries":["%d"]`, at)
		}
		fmt.Fprintf(&b, `{"_index":"i","_id":%q,"_score":%v,"sort":[%v,%s]%s%s}`, d.id, d.score, d.score, d.id[1:], text, named)
	}
	b.WriteString(`]},"status":200}`)
	return strings.ReplaceAll(b.String(), ",0", ",") // 00 … 09 are no JSON numbers
}

// leaves answers the multi search.
func (w world) leaves(request []byte) []byte {
	lines := strings.Split(strings.TrimSpace(string(request)), "\n")
	var answers []string
	for i := 1; i < len(lines); i += 2 {
		var s struct {
			Size    int
			Rescore any
		}
		if err := json.Unmarshal([]byte(lines[i]), &s); err != nil {
			w.t.Fatalf("search %s: %v", lines[i], err)
		}
		if leaf := i / 2; leaf < len(w.g.leaves) {
			list := firstOf(w.g.leaves[leaf].found, s.Size)
			if s.Rescore != nil {
				list = rescored(list)
			}
			answers = append(answers, w.hits(list, nil))
			continue
		}
		pins := w.g.pinned[i/2-len(w.g.leaves)].pins
		var found []rankedDoc
		for _, id := range pins {
			if id < name(universe) {
				found = append(found, rankedDoc{id, 0})
			}
		}
		answers = append(answers, w.hits(found, pins))
	}
	return []byte(`{"responses":[` + strings.Join(answers, ",") + `]}`)
}

// Rerank is the model.
func (w world) Rerank(s *retriever.Search, texts []string) ([]retriever.Ranked, bool, error) {
	var ranked []retriever.Ranked
	for i, id := range texts {
		raw := float32(logit(id))
		if s.MinScore == nil || raw >= *s.MinScore {
			ranked = append(ranked, retriever.Ranked{Text: i, Score: max(raw, 0) + min(float32(math.Exp(float64(raw))), 1)})
		}
	}
	return ranked, false, nil
}

// Search is the cluster's rescorer, on one shard: it adds to the score that the
// query gives, for as many documents as the window holds.
func (w world) Search(_ url.Values, body []byte) ([]byte, error) {
	var s struct{ Size int }
	if err := json.Unmarshal(body, &s); err != nil {
		w.t.Fatal(err)
	}
	return []byte(w.hits(rescored(firstOf(scoresOf(w.t, body), s.Size)), nil)), nil
}

func rescored(list []rankedDoc) []rankedDoc {
	for i := range list {
		list[i].score = float64(float32(list[i].score + rescoredBy(list[i].id)))
	}
	inOrder(list)
	return list
}

// scoresOf reads which document a query of ranked documents gives which score.
func scoresOf(t *testing.T, body []byte) (list []rankedDoc) {
	t.Helper()
	type clause struct {
		ConstantScore *struct {
			Boost  float64
			Filter struct {
				Bool struct {
					Filter []struct {
						IDs struct{ Values []string }
					}
				}
			}
		} `json:"constant_score"`
		Bool *struct{ Should []json.RawMessage }
	}
	var s struct{ Query json.RawMessage }
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatalf("search %s: %v", body, err)
	}
	var read func(json.RawMessage)
	read = func(raw json.RawMessage) {
		var c clause
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatalf("query %s: %v", raw, err)
		}
		if c.ConstantScore != nil {
			for _, id := range c.ConstantScore.Filter.Bool.Filter[1].IDs.Values {
				list = append(list, rankedDoc{id, c.ConstantScore.Boost})
			}
		}
		if c.Bool != nil {
			for _, below := range c.Bool.Should {
				read(below)
			}
		}
	}
	read(s.Query)
	return list
}

// Whatever the tree, its ranking is the one that follows from the documentation of
// each retriever by the plainest means.
func TestGeneratedTreesAreRankedAsTheirDefinitionsSay(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(600) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 5))}
		p := g.tree(0, 1+g.IntN(6))
		// A reranker over a leaf alone is no tree: the tree is put below an rrf.
		root := &plan{kind: "rrf", constant: 60, weights: []float64{1}, children: []*plan{p}, window: 1 + g.IntN(p.window)}
		if g.IntN(2) == 0 && p.children[0].kind != "leaf" && p.children[0].kind != "rescorer" {
			root = p
		}
		body := marshaled(t, map[string]any{"retriever": root.request(), "_source": false, "track_total_hits": false})
		s, err := parse(t, body, "")
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, body, err)
		}
		if s.Tree() == nil {
			continue
		}
		w := world{t, g}
		found, err := s.Tree().Read(w.leaves(s.Tree().Leaves("PIT")))
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, body, err)
		}
		standing, err := found.Evaluate(w)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, body, err)
		}
		_, final := standing.FinalSearch()
		got, want := scoresOf(t, final), root.expected()
		for _, k := range []string{"rrf", "linear", "pinned", "rescorer", "text_similarity_reranker"} {
			kinds[k] += strings.Count(body, `"`+k+`"`)
		}
		if !alike(got, want) {
			t.Fatalf("seed %d: %s\n got %v\nwant %v", seed, body, got, want)
		}
	}
	for kind, n := range kinds {
		if n < 100 {
			t.Errorf("%d times %s, want at least 100", n, kind)
		}
	}
}

// alike compares two rankings: the scores to 1e-6, the order exactly but for
// documents whose scores are as near.
func alike(got, want []rankedDoc) bool {
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(b)) }
	if len(got) != len(want) {
		return false
	}
	scores := map[string]float64{}
	for i := range want {
		want[i].score = min(want[i].score, math.MaxFloat32)
		scores[want[i].id] = want[i].score
	}
	for i, d := range got {
		score, ok := scores[d.id]
		if !ok || !near(d.score, score) || d.id != want[i].id && !near(d.score, want[i].score) {
			return false
		}
	}
	return true
}

func marshaled(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
