package configs

import (
	"log/slog"
	"time"
)

// Config is everything that can be set. The tags of a field are its description:
// yaml its name, usage its meaning, limits what [Config.Validate] lets pass; they
// are shown by the program's help and by docs/configuration.md. A Config is a
// plain value: copy it, change the copy.
type Config struct {
	Listen          string        `yaml:"listen" usage:"address on which clients connect" limits:"host:port; port 0 takes a free one"`
	Admin           Admin         `yaml:"admin"`
	Upstream        Upstream      `yaml:"upstream"`
	Limits          Limits        `yaml:"limits"`
	Rerank          Rerank        `yaml:"rerank"`
	Endpoints       []Endpoint    `yaml:"endpoints" usage:"the inference ids that a search may name, each with its model: builtin, builtin-tiny, or a model folder; and what else is set" limits:"1 to 64, each id once; as a variable or flag: id=model, and ;key=value for the rest, separated by commas"`
	Rules           []Rule        `yaml:"rules" usage:"the ordinary searches that are reranked without a reranker in their body: index, field, endpoint, window, query, apply" limits:"0 to 64; as a variable or flag: key=value pairs separated by semicolons, rules by commas"`
	Inference       Inference     `yaml:"inference"`
	Engine          Engine        `yaml:"engine"`
	Cache           Cache         `yaml:"cache"`
	Log             Log           `yaml:"log"`
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout" usage:"how long requests in flight may take to end when the program stops" limits:"0s to 1h"`
}

// Admin is the second listener: metrics, health and profiling.
type Admin struct {
	Listen string `yaml:"listen" usage:"address of the admin listener; empty: no such listener" limits:"host:port, another than listen"`
	Token  Secret `yaml:"token" usage:"Bearer token that the admin listener asks for; empty: none. Health is answered without" limits:"visible ASCII without blanks"`
}

// Upstream is the cluster behind the proxy.
type Upstream struct {
	URLs                []string      `yaml:"urls" usage:"the cluster's nodes" limits:"1 to 64 of http(s)://host:port, without path, user or password; as a variable or flag separated by commas"`
	Flavour             string        `yaml:"flavour" usage:"what the cluster is; auto: it is asked once" limits:"auto, elasticsearch, opensearch"`
	CAFile              string        `yaml:"ca_file" usage:"PEM file with the certificates to trust; empty: the system's" limits:"not with upstream.insecure_skip_verify"`
	InsecureSkipVerify  bool          `yaml:"insecure_skip_verify" usage:"accept any certificate, for trials only"`
	DialTimeout         time.Duration `yaml:"dial_timeout" usage:"how long opening a connection to a node may take" limits:"1ms to 5m"`
	MaxIdleConnsPerHost int           `yaml:"max_idle_conns_per_host" usage:"idle connections kept open to each node" limits:"1 to 65536"`
	HealthInterval      time.Duration `yaml:"health_interval" usage:"time between two probes of a node" limits:"100ms to 1h"`
}

// Flavours of an [Upstream].
const (
	FlavourAuto          = "auto"
	FlavourElasticsearch = "elasticsearch"
	FlavourOpenSearch    = "opensearch"
)

// Limits bound what one request may cost, and all of them together.
type Limits struct {
	BodyBytes     ByteSize      `yaml:"body_bytes" usage:"largest body, after decompression, of a search that is reranked; others are streamed at any size" limits:"1B to 2GiB"`
	AnswerBytes   ByteSize      `yaml:"answer_bytes" usage:"largest answer of the cluster that is held to rerank it" limits:"1B to 16GiB"`
	Searches      int           `yaml:"searches" usage:"reranked requests handled at the same time; those beyond are refused at once" limits:"1 to 65536"`
	HeldBytes     ByteSize      `yaml:"held_bytes" usage:"bytes of bodies and answers that they hold together; 0: four times limits.body_bytes and limits.answer_bytes" limits:"0, or 1MiB to 1TiB"`
	Window        int           `yaml:"window" usage:"largest rank_window_size" limits:"1 to 10000"`
	HeaderTimeout time.Duration `yaml:"header_timeout" usage:"how long a client may take to send the header of a request" limits:"1ms to 1h"`
	IdleTimeout   time.Duration `yaml:"idle_timeout" usage:"how long a client's connection may wait for its next request" limits:"1ms to 24h"`
}

// Rerank is how a search is reranked.
type Rerank struct {
	DefaultWindow   int           `yaml:"default_window" usage:"rank_window_size of a search that gives none" limits:"1 to limits.window"`
	DefaultEndpoint string        `yaml:"default_endpoint" usage:"inference_id of a search that gives none" limits:"an id of endpoints"`
	Timeout         time.Duration `yaml:"timeout" usage:"how long the rerank step of a search may take, the search on the cluster not counted" limits:"1ms to 1h"`
	OnFailure       string        `yaml:"on_failure" usage:"what a search gets whose rerank step fails: degrade: the hits in first-stage order with a Warning header; fail: an error. allow_rerank_failures of a request wins" limits:"degrade, fail"`
	Fusion          string        `yaml:"fusion" usage:"who executes the rrf, linear and pinned retrievers below a reranker at the top: proxy, also where the cluster lacks them or its licence refuses them; cluster. Elsewhere in a tree with a reranker the proxy does" limits:"proxy, cluster"`
	FusionAlone     bool          `yaml:"fusion_alone" usage:"execute rrf and linear retrievers in searches without a reranker, too"`
	FieldTemplates  bool          `yaml:"field_templates" usage:"let the field of a reranker hold a template over several fields, such as {{title}}. {{body}}"`
	AllowTestModels bool          `yaml:"allow_test_models" usage:"accept the models overlap, numeric, failing and short, which are no rerankers, for tests only"`
}

// Endpoint gives an inference id its model.
type Endpoint struct {
	// ID is what a search names as inference_id.
	ID string `yaml:"id"`
	// Model is ModelBuiltin or ModelTiny, the path of a model folder, or a test model.
	Model string `yaml:"model"`
	// Deadline is how long scoring may take: what is scored by then comes first.
	// 0: as long as rerank.timeout lets it.
	Deadline time.Duration `yaml:"deadline"`
	// First is the model of a cascade's first step, written as Model is: it scores
	// all passages, and Model the best Keep of them. Empty: there is one step only.
	First string `yaml:"first"`
	// Keep is how many passages the second step of a cascade scores.
	Keep int `yaml:"keep"`
	// Patience ends the scoring of a search once so many passages in a row brought
	// nothing onto the caller's page. 0: all are scored.
	Patience int `yaml:"patience"`
	// TopN is the most texts that an inference call gets back, and the largest
	// window of a search. 0: as many as there are.
	TopN int `yaml:"top_n"`
	// ScoresOnly leaves the texts out of what an inference call gets back, unless
	// it asks for them.
	ScoresOnly bool `yaml:"scores_only"`
	// LongDocuments is what Elasticsearch calls so: truncate, which is what empty
	// means, or chunk.
	LongDocuments string `yaml:"long_document_strategy"`
	// MaxChunks is how many chunks of a document are scored with chunk. 0: all.
	MaxChunks int `yaml:"max_chunks_per_doc"`
}

// Values of [Endpoint.LongDocuments].
const (
	LongDocumentsTruncate = "truncate"
	LongDocumentsChunk    = "chunk"
)

// Inference is the inference API: endpoints beside those of the configuration.
type Inference struct {
	Manage         bool          `yaml:"manage" usage:"let callers make, change and delete inference endpoints through the API, if the cluster says that they may"`
	Folder         string        `yaml:"folder" usage:"folder of this program alone that keeps those endpoints; empty: they are forgotten when the program ends"`
	MaxEndpoints   int           `yaml:"max_endpoints" usage:"how many of them there may be" limits:"0 to 1000"`
	ScaleDownAfter time.Duration `yaml:"scale_down_after" usage:"how long adaptive allocations outlast the load they were for" limits:"1s to 24h"`
}

// Models of an [Endpoint] that are no folder. A folder of such a name is meant by
// ./name.
const (
	ModelBuiltin = "builtin"      // the default model, inside the program
	ModelTiny    = "builtin-tiny" // the smaller and faster one inside the program
	ModelOverlap = "overlap"      // test model: share of the query's words
	ModelNumeric = "numeric"      // test model: the number that a passage is
	ModelFailing = "failing"      // test model: fails every call
	ModelShort   = "short"        // test model: as numeric, with one score too few
)

// Engine is the use of the machine by the models.
type Engine struct {
	Library     string `yaml:"library" usage:"path of the ONNX Runtime library; empty: beside the program, then the cache folder"`
	Workers     int    `yaml:"workers" usage:"batches run at the same time; 0: one for each core that the cgroup quota grants" limits:"0 to 1024"`
	BatchTokens int    `yaml:"batch_tokens" usage:"tokens in a batch, padding included" limits:"16 to 1048576"`
	MaxTokens   int    `yaml:"max_tokens" usage:"tokens of a query and passage after which they are cut; 0: as many as the model takes" limits:"0, or 16 to 8192"`
	Running     int    `yaml:"running" usage:"searches scored at the same time; 0: 16 for each worker" limits:"0 to 4096"`
	Waiting     int    `yaml:"waiting" usage:"searches that may wait for a place; those beyond are refused at once" limits:"0 to 65536"`
}

// Cache is the store of scores.
type Cache struct {
	Bytes ByteSize `yaml:"bytes" usage:"memory for scores; 0: no cache" limits:"0, or 64KiB to 1TiB"`
}

// Log is the program's own log, on standard error.
type Log struct {
	Level  string `yaml:"level" usage:"least level that is logged" limits:"debug, info, warn, error"`
	Format string `yaml:"format" usage:"form of a line" limits:"json, text"`
}

// Values of [Rerank.OnFailure].
const (
	OnFailureDegrade = "degrade"
	OnFailureFail    = "fail"
)

// Values of [Rerank.Fusion].
const (
	FusionProxy   = "proxy"
	FusionCluster = "cluster"
)

// Values of [Log.Format].
const (
	FormatJSON = "json"
	FormatText = "text"
)

// levels are the values of Log.Level.
var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// MinLevel is Level as slog's value, info for one that is not valid.
func (l Log) MinLevel() slog.Level { return levels[l.Level] }

// Default is what holds when nothing is set: a proxy on loopback before a cluster
// on loopback, with the built-in model.
func Default() Config {
	return Config{
		Listen: "127.0.0.1:9280",
		Admin:  Admin{Listen: "127.0.0.1:9281"},
		Upstream: Upstream{
			Flavour:             FlavourAuto,
			URLs:                []string{"http://127.0.0.1:9200"},
			DialTimeout:         5 * time.Second,
			MaxIdleConnsPerHost: 256,
			HealthInterval:      5 * time.Second,
		},
		Limits: Limits{
			BodyBytes:     10 * MiB,
			AnswerBytes:   256 * MiB,
			Searches:      256,
			Window:        1000,
			HeaderTimeout: 10 * time.Second,
			IdleTimeout:   2 * time.Minute,
		},
		Rerank: Rerank{
			DefaultWindow:   30,
			DefaultEndpoint: ".rerank-v1-elasticsearch",
			Timeout:         30 * time.Second,
			OnFailure:       OnFailureDegrade,
			Fusion:          FusionProxy,
		},
		Endpoints:       []Endpoint{{ID: ".rerank-v1-elasticsearch", Model: ModelBuiltin}},
		Inference:       Inference{Manage: true, MaxEndpoints: 64, ScaleDownAfter: time.Minute},
		Engine:          Engine{BatchTokens: 512, Waiting: 64},
		Cache:           Cache{Bytes: 64 * MiB},
		Log:             Log{Level: "info", Format: FormatJSON},
		ShutdownTimeout: 15 * time.Second,
	}
}
