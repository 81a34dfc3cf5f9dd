package conformance

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
	"github.com/rerankd/rerankd/scorer/builtin"
)

// Configure sets c up as the original of the cases: its default window, an error
// where a rerank fails, and the endpoints that the cases name, which score without
// a model:
//
//   - mock reads the score out of the text, or takes one over its length;
//   - mock-top2 does so and gives back no more than two;
//   - mock-fail fails, mock-short gives one score too few;
//   - .rerank-v1-elasticsearch is the built-in model, where the program has it.
//
// It tells whether that is so.
func Configure(c *configs.Config) (hasBuiltin bool) {
	c.Rerank.DefaultWindow = 10
	c.Rerank.OnFailure = configs.OnFailureFail
	c.Rerank.AllowTestModels = true
	c.Rerank.DefaultEndpoint = "mock"
	c.Endpoints = []configs.Endpoint{
		{ID: "mock", Model: configs.ModelNumeric, ScoresOnly: true},
		{ID: "mock-top2", Model: configs.ModelNumeric, ScoresOnly: true, TopN: 2},
		{ID: "mock-fail", Model: configs.ModelFailing},
		{ID: "mock-short", Model: configs.ModelShort},
	}
	_, hasBuiltin = builtin.Model()
	if hasBuiltin {
		c.Endpoints = append(c.Endpoints, configs.Endpoint{ID: ".rerank-v1-elasticsearch", Model: configs.ModelBuiltin})
	}
	return hasBuiltin
}

// StartProgram starts a program that is configured for the cases before a cluster, on
// the address given. It serves until its Stop is called.
func StartProgram(ctx context.Context, upstream, listen string, logger *slog.Logger) (*app.App, bool, error) {
	c := configs.Default()
	c.Listen, c.Admin.Listen = listen, ""
	c.Upstream.URLs = []string{upstream}
	hasBuiltin := Configure(&c)
	a, err := app.New(ctx, app.Options{Config: c, Logger: logger})
	if err != nil {
		return nil, false, fmt.Errorf("start the program: %w", err)
	}
	a.Start()
	return a, hasBuiltin, nil
}
