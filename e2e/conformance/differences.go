package conformance

// Difference is a case that the program answers otherwise than the original.
type Difference struct {
	Status int    // what it answers instead
	Why    string // the reason, a clause
}

// Reasons that more than one case has.
const (
	unknown = "passed through: no reranker is in it, and OpenSearch knows no `retriever`"
	ignored = "hits don't list ignored values (`_ignored`) there"
	kinder  = "a null dereference in the original; here a `standard` retriever without a query matches all"
)

// Differences are the cases that are answered otherwise on every cluster, by
// their ids. A case that is not here must pass, and one that is must not.
var Differences = map[string]Difference{
	"text-empty-field":       {200, "an empty text is scored as such: one document doesn't fail the others. The built-in model puts it below what answers the question and above what speaks of something else"},
	"child-without-query":    {200, kinder},
	"recorded/inner-noquery": {200, kinder},
	"recorded/chunk":         {200, "8.19 doesn't know `chunk_rescorer`, which came with 9.2"},
	"recorded/fail":          {400, "the innermost reason speaks of the original's remote service"},
	"recorded/named":         {200, "the names of the child's own queries are kept beside the reranker's"},
	"recorded/inf-get":       {200, "the original's endpoint is one of a remote service; the endpoints here are of the service `elasticsearch`, which runs models itself"},
	"recorded/ret-unknown":   {400, "passed through: a cluster without the retriever doesn't suggest it"},
}

// OnOpenSearch are those that are answered otherwise on OpenSearch alone.
var OnOpenSearch = map[string]Difference{
	"parse-retriever-empty":       {400, unknown},
	"recorded/ret-empty":          {400, unknown},
	"recorded/knn":                {400, "a `knn` retriever is refused by name: vector search has another form there"},
	"recorded/missing-field-docs": {200, ignored},
	"recorded/multi":              {200, ignored},
	"recorded/field-num":          {200, ignored},
	"recorded/field-flag":         {200, ignored},
	"recorded/field-day":          {200, ignored},
	"recorded/field-raw.kw":       {200, ignored},
	"recorded/field-obj.in":       {200, ignored},
	"recorded/field-ali":          {200, ignored},
}

func differenceOf(id string, cluster Cluster) (Difference, bool) {
	if d, ok := OnOpenSearch[id]; ok && cluster.OpenSearch {
		return d, true
	}
	d, ok := Differences[id]
	return d, ok
}
