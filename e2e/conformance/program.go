package conformance

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
)

// Configure sets c up as the original of the cases: its default window, an error
// where a rerank fails, and the endpoints that the cases name, which score without
// a model:
//
//   - mock reads the score out of the text, or takes one over its length;
//   - mock-top2 does so and gives back no more than two;
//   - mock-fail fails, mock-short gives one score too few;
//   - .rerank-v1-elasticsearch is the built-in model.
func Configure(c *configs.Config) {
	c.Rerank.DefaultWindow = 10
	c.Rerank.OnFailure = configs.OnFailureFail
	c.Rerank.AllowTestModels = true
	c.Rerank.DefaultEndpoint = "mock"
	c.Endpoints = []configs.Endpoint{
		{ID: "mock", Model: configs.ModelNumeric, ScoresOnly: true},
		{ID: "mock-top2", Model: configs.ModelNumeric, ScoresOnly: true, TopN: 2},
		{ID: "mock-fail", Model: configs.ModelFailing},
		{ID: "mock-short", Model: configs.ModelShort},
		{ID: ".rerank-v1-elasticsearch", Model: configs.ModelBuiltin},
	}
}

// StartProgram starts a program that is configured for the cases before a cluster, on
// the address given. It serves until its Stop is called.
func StartProgram(ctx context.Context, upstream, listen string, logger *slog.Logger) (*app.App, error) {
	c := configs.Default()
	c.Listen, c.Admin.Listen = listen, ""
	c.Upstream.URLs = []string{upstream}
	Configure(&c)
	a, err := app.New(ctx, app.Options{Config: c, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("start the program: %w", err)
	}
	a.Start()
	return a, nil
}
