// Package xcontent turns bodies of Elasticsearch's other content types into JSON
// and back: YAML and CBOR by libraries, Smile not at all, for there is no
// well-kept library for it. The order of keys is kept on the way from JSON, and
// numbers keep their value as far as the type can hold it.
//
// The package is pure. Every function is safe for concurrent use, and takes
// hostile bytes: size, depth and the number of parts are bounded.
package xcontent
