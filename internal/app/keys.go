package app

// Keys of this package's log lines.
const (
	keyAddress   = "address"
	keyConfig    = "config"
	keyID        = "id"
	keyMaxTokens = "max_tokens"
	keyModel     = "model"
	keyPrecision = "precision"
	keyRevision  = "revision"
	keyRuntime   = "onnxruntime"
	keyTook      = "took"
	keyWorkers   = "workers"
)
