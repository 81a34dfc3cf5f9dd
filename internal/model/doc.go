// Package model keeps model folders: it lists, describes and verifies them, makes
// one out of an export, and fetches one from a mirror. What a folder holds, and
// the format of its manifest, is defined by package scorer/onnx, which reads it. A
// folder appears whole, by a rename, and is never changed afterwards.
package model
