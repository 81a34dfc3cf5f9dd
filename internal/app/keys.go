package app

// Keys of this package's log lines.
const (
	keyAddress   = "address"
	keyBatching  = "batching"
	keyConfig    = "config"
	keyError     = "error"
	keyID        = "id"
	keyMaxTokens = "max_tokens"
	keyModel     = "model"
	keyPrecision = "precision"
	keyRevision  = "revision"
	keyRuntime   = "onnxruntime"
	keySway      = "sway"
	keyTook      = "took"
	keyWorkers   = "workers"
)
