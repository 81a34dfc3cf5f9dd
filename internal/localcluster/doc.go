// Package localcluster finds or starts a real Elasticsearch for the demo and
// for the tests, and stops what it started.
//
// Three sources are tried in a fixed order, and each one that is passed over
// says why:
//
//  1. ES_URL: a cluster somebody else runs. It is used and never stopped.
//  2. Docker: the official image, through testcontainers, when an engine
//     answers within two seconds.
//  3. Maven: the official server archive of Maven Central, checked against a
//     pinned SHA-256, unpacked once into the cache folder and run on a JDK of
//     this machine.
//
// Every cluster that is started here listens on the loopback only, has a
// single node without security, keeps its data in a temporary folder of its
// own, and ends with the process that started it. The package knows nothing
// about indices, searches or reranking.
package localcluster
