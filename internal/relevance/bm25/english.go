package bm25

import (
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/lang/en"
	"github.com/blevesearch/bleve/v2/analysis/token/lowercase"
	"github.com/blevesearch/bleve/v2/analysis/token/porter"
	"github.com/blevesearch/bleve/v2/analysis/token/stop"
	"github.com/blevesearch/bleve/v2/analysis/tokenizer/unicode"
)

// stopWords are those of Lucene's and Elasticsearch's English analyser. bleve's
// own English list is five times as long and loses film titles such as "Her".
const stopWords = "a an and are as at be but by for if in into is it no not of on or such " +
	"that the their then there these they this to was will with"

func english() analysis.Analyzer {
	words := analysis.NewTokenMap()
	for word := range strings.FieldsSeq(stopWords) {
		words.AddToken(word)
	}
	return &analysis.DefaultAnalyzer{
		Tokenizer: unicode.NewUnicodeTokenizer(),
		TokenFilters: []analysis.TokenFilter{
			en.NewPossessiveFilter(),
			lowercase.NewLowerCaseFilter(),
			stop.NewStopTokensFilter(words),
			porter.NewPorterStemmer(),
		},
	}
}
