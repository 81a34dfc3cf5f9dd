// Package app builds the whole program from a configuration and runs it: the
// models with their queue and cache, the proxy in front of the cluster, the
// admin listener. The command, the demo and the end-to-end tests all run this
// one.
//
// It is the only place that translates [configs.Config] into the options of the
// parts; it decides nothing about a request.
package app
