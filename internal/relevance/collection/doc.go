// Package collection reads test collections and rankings from files: folders in
// BEIR layout and the qrels and run files of TREC, each also gzipped.
//
// Files are foreign bytes. Every length is bounded, and what is wrong in a file
// is reported with its name and line.
package collection
