package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/native"
	"github.com/rerankd/rerankd/internal/relevance"
)

const (
	defaultDepth = 30
	maxDepth     = 10_000
	maxNumbers   = 50

	// defaultMeasures has the one that systems are compared by in front.
	defaultMeasures = "ndcg@10,mrr@10,map@100,p@10,r@100,err@10,judged@10"

	// modelPlace stands for the model in the file name of --run-out.
	modelPlace = "{model}"
)

func evalSwitches() []option {
	return []option{
		{"json", "print one JSON object"},
		{"fresh", "score every pair anew and keep no scores"},
	}
}

func evalValues() []valueOption {
	return []valueOption{
		{"depth", "N", fmt.Sprintf("how many documents of the first stage are reranked; default %d", defaultDepth)},
		{"depths", "LIST", "further depths to compare, such as 10,20,30,50,100"},
		{"model", "NAME", "builtin or a model folder, with --url an inference id; may be given several times"},
		{"patience", "LIST", "each model once more with such a patience, as an endpoint has it, such as 10,20; not with --url"},
		{"first", "NAME", "builtin-tiny or a model folder: scores every passage first, in cascades with each model; wants --keep; not with --url"},
		{"keep", "LIST", "each model once more, scoring only so many of the best passages of --first, such as 10,30; wants --first"},
		{"measures", "LIST", "what to print; the first one is compared and tested; default " + defaultMeasures},
		{"qrels", "FILE", "judgements to use instead of the folder's, in BEIR's or TREC's form"},
		{"first-stage", "FILE", "TREC run to rerank instead of BM25's answers"},
		{"run-in", "FILE", "TREC run to measure beside the models; may be given several times"},
		{"run-out", "FILE", "write what was reranked as a TREC run; " + modelPlace + " in the name becomes the model's"},
		{"csv", "FILE", "write every query's values"},
		{"plot", "FILE", "draw the depths, or else each query's change, as SVG"},
		{"scores", "FOLDER", "where scores are kept; default eval in the cache folder"},
		{"url", "URL", "proxy to ask instead; wants --index and --field, and reads no corpus"},
		{"index", "NAME", "index behind --url"},
		{"field", "NAME", "text field that is searched and scored"},
	}
}

// evalInput is what the user asked for.
type evalInput struct {
	folder                                       string
	json, fresh                                  bool
	depth                                        int
	depths, patience, keep                       []int
	models, runIn                                []string
	measures                                     []relevance.Measure
	first                                        string
	qrels, firstStage, runOut, csv, plot, scores string
	url, index, field                            string
}

// withoutDocuments reports whether no text of a document is needed.
func (e evalInput) withoutDocuments() bool {
	return e.url != "" || e.firstStage != "" && len(e.models) == 0
}

func readEval(in input) (evalInput, error) {
	e := evalInput{folder: in.arguments[0], json: in.options["json"], fresh: in.options["fresh"], models: in.values["model"], runIn: in.values["run-in"]}
	for name, to := range map[string]*string{
		"first": &e.first, "qrels": &e.qrels, "first-stage": &e.firstStage, "run-out": &e.runOut, "csv": &e.csv, "plot": &e.plot,
		"scores": &e.scores, "url": &e.url, "index": &e.index, "field": &e.field,
	} {
		values := in.values[name]
		if len(values) > 1 {
			return e, evalUsage("--%s is given %d times", name, len(values))
		}
		if len(values) == 1 {
			if *to = values[0]; *to == "" {
				return e, evalUsage("--%s is empty", name)
			}
		}
	}
	if e.scores == "" {
		e.scores = filepath.Join(native.CacheDir(), "eval")
	}
	if err := e.readNumbers(in); err != nil {
		return e, err
	}
	return e, e.check()
}

func (e *evalInput) readNumbers(in input) error {
	last := func(name, standard string) string {
		if values := in.values[name]; len(values) > 0 {
			return values[len(values)-1]
		}
		return standard
	}
	depths, err := parseNumbers("depth", last("depth", strconv.Itoa(defaultDepth)))
	if err != nil {
		return err
	}
	if len(depths) != 1 {
		return evalUsage("--depth takes one number; --depths compares several")
	}
	e.depth = depths[0]
	for _, flag := range []struct {
		name string
		to   *[]int
	}{{"depths", &e.depths}, {"patience", &e.patience}, {"keep", &e.keep}} {
		if list := last(flag.name, ""); list != "" {
			if *flag.to, err = parseNumbers(flag.name, list); err != nil {
				return err
			}
		}
	}
	seen := map[string]bool{}
	for name := range strings.SplitSeq(last("measures", defaultMeasures), ",") {
		m, err := relevance.ParseMeasure(strings.TrimSpace(name))
		if err != nil {
			return evalUsage("--measures: %v", err)
		}
		if !seen[m.String()] {
			e.measures = append(e.measures, m)
		}
		seen[m.String()] = true
	}
	return nil
}

// parseNumbers reads a list of numbers of passages, each once.
func parseNumbers(flag, list string) ([]int, error) {
	var numbers []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 || n > maxDepth {
			return nil, evalUsage("--%s: want numbers from 1 to %d, got %q", flag, maxDepth, text)
		}
		if slices.Contains(numbers, n) {
			continue
		}
		if numbers = append(numbers, n); len(numbers) > maxNumbers {
			return nil, evalUsage("--%s: %d numbers are the most", flag, maxNumbers)
		}
	}
	return numbers, nil
}

// check refuses what doesn't go together and adds the model that is meant when
// none is named.
func (e *evalInput) check() error {
	live := e.url != ""
	switch {
	case live && (e.index == "" || e.field == ""):
		return evalUsage("--url wants --index and --field")
	case !live && e.index+e.field != "":
		return evalUsage("--index and --field want --url")
	case live && len(e.patience) > 0:
		return evalUsage("--patience is for models that run here: with --url, name an endpoint that has it")
	case live && (e.first != "" || len(e.keep) > 0):
		return evalUsage("--first and --keep are for models that run here: with --url, name an endpoint that has a first model")
	case (e.first == "") != (len(e.keep) == 0):
		return evalUsage("--first and --keep must be given together")
	case len(e.keep) > 0 && slices.Max(e.keep) >= max(e.depth, slices.Max(append(e.depths, 0))):
		return evalUsage("--keep: %d is not below the depth, so that the first model would never be asked", slices.Max(e.keep))
	case live && e.firstStage != "":
		return evalUsage("--first-stage and --url are two first stages")
	}
	if len(e.models) == 0 && len(e.runIn) == 0 {
		e.models = []string{configs.ModelBuiltin}
		if live {
			e.models = []string{""} // the proxy's default endpoint
		}
	}
	switch systems := len(e.models)*(1+len(e.patience)+len(e.keep)) + len(e.runIn); {
	case e.first != "" && len(e.models) == 0:
		return evalUsage("--first wants a model")
	case e.runOut != "" && len(e.models) == 0:
		return evalUsage("--run-out wants a model")
	case e.runOut != "" && systems > 1 && !strings.Contains(e.runOut, modelPlace):
		return evalUsage("--run-out wants %s in the name of the file when there are several systems", modelPlace)
	}
	return nil
}

func evalUsage(format string, args ...any) error {
	return &usageError{command: "eval", reason: fmt.Sprintf(format, args...)}
}

// evalNames tells systems apart.
type evalNames map[string]bool

// choose returns a name for a system: what it calls itself, else or if that is
// taken where it comes from, else that with a number.
func (n evalNames) choose(own, from string) string {
	own, from = printable(own), printable(from)
	name := own
	if name == "" || n[name] {
		name = from
	}
	for i := 2; n[name]; i++ {
		name = fmt.Sprintf("%s (%d)", from, i)
	}
	n[name] = true
	return name
}

// printable leaves out what would move a terminal's cursor: names come from
// files.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, name)
}
