// Package native knows the two native libraries that rerankd needs: which
// versions, where the scripts of this folder keep them, and which file of ONNX
// Runtime a running program should load.
//
// It looks for files and reads none of them: loading is the business of
// package scorer/onnx. The scripts (native.sh and what it sources) fetch and
// check the files; `make native` runs them.
package native
