// Package admin is the second listener's handler, for operators alone: whether
// the process lives and is ready, its metrics, its profiles. It has no part in
// answering searches: what it shows is handed to it as functions and counted
// through [Metrics], and a failure here fails no request.
//
// When a token is set, everything but the bare answers of /-/healthy and /-/ready
// needs it, so that probes work without a secret. Profiles are served only where
// [Options.Pprof] allows them, and without a token to this machine alone.
package admin
