package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/evaluate"
	"github.com/rerankd/rerankd/internal/evaluate/live"
	"github.com/rerankd/rerankd/internal/relevance/bm25"
	"github.com/rerankd/rerankd/internal/relevance/collection"
)

// liveTimeout bounds one search of a live evaluation.
const liveTimeout = 5 * time.Minute

func evalCommand() command {
	return command{
		name:    "eval",
		summary: "measure what reranking gains on a test collection",
		about: "Reads a test collection (corpus.jsonl, queries.jsonl and qrels.tsv, each also as .gz), finds documents\n" +
			"by BM25, reranks the best of them with each model, and prints first stage, reranked and oracle side\n" +
			"by side. With --url it asks an index behind a running proxy instead. Scores are kept: the same command\n" +
			"goes on where an interrupted one was.",
		example: []string{
			"rerankd eval scifact --depth 30",
			"rerankd eval scifact --model builtin --model models/mine --csv queries.csv",
			"rerankd eval scifact --depths 10,20,30,50,100 --plot depths.svg",
			"rerankd eval scifact --depth 100 --patience 5,10,15,20",
			"rerankd eval scifact --depth 100 --first builtin-tiny --keep 10,20,30",
			"rerankd eval scifact --first-stage bm25.run --run-in theirs.run",
			"rerankd eval scifact --url http://127.0.0.1:9280 --index papers --field text",
		},
		argument: "FOLDER",
		options:  evalSwitches(),
		values:   evalValues(),
		config:   true,
		run:      eval,
	}
}

func eval(o outside, in input) error {
	c, err := loadConfig(o, in)
	if err != nil {
		return err
	}
	asked, err := readEval(in)
	if err != nil {
		return err
	}
	drain, _, release := interrupts(o.signals)
	defer release()
	err = runEval(drain, o, c, asked)
	if err != nil && drain.Err() != nil {
		_, _ = fmt.Fprintln(o.stderr, "The scores so far are kept: the same command goes on from here.")
		return errInterrupted
	}
	return err
}

// runEval evaluates and writes the report last, so that it is there only when
// all files are.
func runEval(ctx context.Context, o outside, c configs.Config, asked evalInput) (err error) {
	if err := checkEvalFiles(asked); err != nil {
		return err
	}
	names := evalNames{}
	options, err := evalOptions(asked, names)
	if err != nil {
		return err
	}
	options.Progress = evaluate.NewProgress(o.stderr, isTerminal(o.stderr))
	set, err := openCollection(o.stderr, asked)
	if err != nil {
		return err
	}
	options.Queries, options.Qrels, options.Documents = set.Judged(), set.Qrels, len(set.Documents)
	if len(options.Queries) == 0 {
		return fmt.Errorf("read %s: no query has a judgement", asked.folder)
	}
	if asked.url != "" {
		client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}, Timeout: liveTimeout}
		defer client.CloseIdleConnections()
		err = addLive(&options, asked, names, client)
	} else {
		models := &openModels{config: c, asked: asked, names: names, passages: evaluate.Passages(set.Documents)}
		defer func() { err = errors.Join(err, models.close()) }()
		err = addOffline(ctx, &options, models, set.Documents)
	}
	if err != nil {
		return err
	}
	report, err := evaluate.Run(ctx, options)
	if err != nil {
		return err
	}
	if err := writeEvalFiles(report, asked); err != nil {
		return err
	}
	if !asked.json {
		return report.WriteText(o.stdout)
	}
	out := json.NewEncoder(o.stdout)
	out.SetIndent("", "  ")
	return out.Encode(report)
}

// evalOptions translates what needs no model.
func evalOptions(asked evalInput, names evalNames) (evaluate.Options, error) {
	folder, err := filepath.Abs(asked.folder)
	if err != nil {
		return evaluate.Options{}, fmt.Errorf("find %s: %w", asked.folder, err)
	}
	options := evaluate.Options{
		Collection: printable(filepath.Base(folder)),
		Depth:      asked.depth,
		Depths:     asked.depths,
		Measures:   asked.measures,
	}
	for _, path := range asked.runIn {
		run, tag, err := collection.ReadRunFile(path)
		if err != nil {
			return evaluate.Options{}, fmt.Errorf("read run: %w", err)
		}
		options.Runs = append(options.Runs, evaluate.NamedRun{Name: names.choose(tag, path), Run: run})
	}
	return options, nil
}

func openCollection(notes io.Writer, asked evalInput) (*collection.Collection, error) {
	o := collection.Options{WithoutDocuments: asked.withoutDocuments()}
	if asked.qrels != "" {
		qrels, err := collection.ReadQrelsFile(asked.qrels)
		if err != nil {
			return nil, fmt.Errorf("read judgements: %w", err)
		}
		o.Qrels = qrels
	}
	set, err := collection.Open(os.DirFS(asked.folder), o)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", asked.folder, err)
	}
	if queries, documents := set.Missing(); queries+documents > 0 {
		_, _ = fmt.Fprintf(notes, "The judgements name %d queries without a text, which are left out, and %d relevant documents that the corpus lacks.\n", queries, documents)
	}
	return set, nil
}

func addLive(options *evaluate.Options, asked evalInput, names evalNames, client *http.Client) error {
	index, err := live.Open(live.Options{URL: asked.url, Index: asked.index, Field: asked.field, HTTP: client})
	if err != nil {
		return err
	}
	options.FirstStage = index
	options.FirstStageName = printable("a match query on " + asked.index + "/" + asked.field)
	for _, id := range asked.models {
		options.Rerankers = append(options.Rerankers, evaluate.Named{Name: names.choose(id, "default endpoint"), Reranker: index.Endpoint(id)})
	}
	return nil
}

// addOffline adds the first stage and the models.
func addOffline(ctx context.Context, options *evaluate.Options, models *openModels, documents []collection.Document) (err error) {
	if err := models.open(ctx); err != nil {
		return err
	}
	options.Rerankers = models.named
	if path := models.asked.firstStage; path != "" {
		run, tag, err := collection.ReadRunFile(path)
		if err != nil {
			return fmt.Errorf("read first stage: %w", err)
		}
		options.FirstStage, options.FirstStageName = evaluate.Finished(run), printable("the run "+tag)
		return nil
	}
	options.FirstStageName = fmt.Sprintf("BM25 (k1 %g, b %g)", bm25.K1, bm25.B)
	options.FirstStage, err = evaluate.Index(ctx, documents, options.Progress)
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}
