// Package archtest holds no code, only tests: they compare the tree with the
// layout in docs/architecture.md, so that placing a package or adding an import
// between packages stays a decision that somebody made.
package archtest
