package inference

import "slices"

// TaskType is the task of every endpoint of this program.
const TaskType = "rerank"

// Service is the service of every endpoint of this program: the one that runs
// models itself.
const Service = "elasticsearch"

// DefaultModelID is what clients call the model that the original has built in.
const DefaultModelID = ".rerank-v1"

// Strategies for a passage that is longer than what a model reads.
const (
	StrategyTruncate = "truncate"
	StrategyChunk    = "chunk"
)

// Definition is what an endpoint was made of, in the form in which it is shown and
// kept.
type Definition struct {
	ID              string          `json:"inference_id"`
	TaskType        string          `json:"task_type"`
	Service         string          `json:"service"`
	ServiceSettings ServiceSettings `json:"service_settings"`
	TaskSettings    TaskSettings    `json:"task_settings"`
}

// ServiceSettings say which model an endpoint has and how much of the machine.
type ServiceSettings struct {
	// NumAllocations times NumThreads is how many of the engine's workers an
	// endpoint may take. Without adaptive allocations it stays as it was set; with
	// them it is what they have come to.
	NumAllocations *int                 `json:"num_allocations,omitempty"`
	NumThreads     int                  `json:"num_threads"`
	ModelID        string               `json:"model_id"`
	Adaptive       *AdaptiveAllocations `json:"adaptive_allocations,omitempty"`
	// LongDocumentStrategy is empty for truncate.
	LongDocumentStrategy string `json:"long_document_strategy,omitempty"`
	MaxChunksPerDoc      int    `json:"max_chunks_per_doc,omitempty"` // 0: no bound
}

// AdaptiveAllocations are the bounds between which the number of allocations
// follows the load.
type AdaptiveAllocations struct {
	Enabled bool `json:"enabled"`
	Min     *int `json:"min_number_of_allocations,omitempty"` // nil: 0
	Max     *int `json:"max_number_of_allocations,omitempty"` // nil: as many as the engine has workers for
}

// adapts reports whether the allocations follow the load.
func (s ServiceSettings) adapts() bool { return s.Adaptive != nil && s.Adaptive.Enabled }

// bounds are the least and the most allocations on an engine with so many
// workers. They are equal where nothing adapts.
func (s ServiceSettings) bounds(workers int) (least, most int) {
	room := max(1, workers/max(1, s.NumThreads))
	if !s.adapts() {
		n := 1
		if s.NumAllocations != nil {
			n = *s.NumAllocations
		}
		n = min(n, room)
		return n, n
	}
	most = room
	if s.Adaptive.Max != nil {
		most = min(room, *s.Adaptive.Max)
	}
	if s.Adaptive.Min != nil {
		least = min(most, *s.Adaptive.Min)
	}
	return least, most
}

// TaskSettings are what an endpoint does when a request doesn't say.
type TaskSettings struct {
	// ReturnDocuments gives the texts back beside the scores; nil: it does.
	ReturnDocuments *bool `json:"return_documents,omitempty"`
	// TopN cuts the ranking; 0: it doesn't. A search may have no larger window.
	TopN int `json:"top_n,omitempty"`
}

// over is s with what change sets.
func (s TaskSettings) over(change TaskSettings) TaskSettings {
	if change.ReturnDocuments != nil {
		s.ReturnDocuments = change.ReturnDocuments
	}
	if change.TopN > 0 {
		s.TopN = change.TopN
	}
	return s
}

// Model is a model that endpoints can be made of.
type Model struct {
	// ID is what definitions show. Names are what they may call it besides.
	ID    string
	Names []string
	// Workers is how many of its batches can run at the same time, at least 1.
	Workers int
	// Open makes a way into the model with a queue of its own for at most so many
	// workers.
	Open func(workers int, counted Counted) Way
}

// most is how many workers an endpoint with these settings has at most.
func (m *Model) most(s ServiceSettings) int {
	_, allocations := s.bounds(m.Workers)
	return min(m.Workers, max(1, allocations)*s.NumThreads)
}

// called reports whether a definition may call the model by that name.
func (m *Model) called(name string) bool { return name == m.ID || slices.Contains(m.Names, name) }
