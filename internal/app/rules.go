package app

import (
	"cmp"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/proxy"
)

// rules are those of the configuration, with what they leave out filled in.
func rules(c configs.Config) []proxy.Rule {
	list := make([]proxy.Rule, len(c.Rules))
	for i, r := range c.Rules {
		list[i] = proxy.Rule{
			Index:       r.Index,
			Field:       r.Field,
			Endpoint:    cmp.Or(r.Endpoint, c.Rerank.DefaultEndpoint),
			Window:      cmp.Or(r.Window, c.Rerank.DefaultWindow),
			Always:      r.Apply == configs.RuleApplyAlways,
			FromRequest: r.Query != configs.RuleQueryBody,
			FromBody:    r.Query != configs.RuleQueryRequest,
		}
	}
	return list
}
