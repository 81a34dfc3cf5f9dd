// Package relevance measures rankings against judgements: the usual measures cut
// at a rank, whether the difference between two systems could be chance, and how
// much two rankings agree.
//
// The measures equal those of trec_eval (and gdeval for ERR) where those
// programs have them, zero for a query without an answer included. The package
// is pure: it reads no files and knows no search engine.
package relevance
