// Package e2e holds no code, only tests and benchmarks: the whole program, in
// process, between real clients and a real Elasticsearch. Nothing is faked but
// faults: a relay that can be cut, and a model that breaks when it is run.
//
// The cluster comes from internal/localcluster, once for all tests; where none
// can be had the tests fail. Every index that they make is marked in its mapping
// and removed at the end. An index of the same name without the mark is left
// alone, and fails the test.
package e2e
