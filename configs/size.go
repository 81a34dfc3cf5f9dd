package configs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes. Its text form is a plain number (65536) or a
// whole number with a unit (64KiB); it is never negative.
type ByteSize int64

// Sizes to multiply with.
const (
	KiB ByteSize = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

// sizeUnits are in the order in which String tries the binary ones.
var sizeUnits = []struct {
	name  string
	bytes ByteSize
}{
	{"TiB", TiB},
	{"GiB", GiB},
	{"MiB", MiB},
	{"KiB", KiB},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
}

// ParseByteSize reads the text form. Units are B, the decimal KB, MB, GB and TB,
// and the binary KiB, MiB, GiB and TiB, written exactly so: other programs
// disagree on whether "mb" is decimal.
func ParseByteSize(text string) (ByteSize, error) {
	digits, unit := text, ByteSize(1)
	for _, u := range sizeUnits {
		if head, ok := strings.CutSuffix(text, u.name); ok {
			digits, unit = head, u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("want a size like 65536, 64KiB or 10MB, got %q", clip(text))
	}
	if n > uint64(math.MaxInt64/unit) {
		return 0, fmt.Errorf("want a size below 8 EiB, got %q", clip(text))
	}
	return ByteSize(n) * unit, nil
}

// String returns the exact size in the largest binary unit that divides it.
func (b ByteSize) String() string {
	for _, u := range sizeUnits[:4] {
		if b != 0 && b%u.bytes == 0 {
			return strconv.FormatInt(int64(b/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText returns the form of String, which JSON and YAML use.
func (b ByteSize) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads the forms of [ParseByteSize] and leaves b alone on an error.
func (b *ByteSize) UnmarshalText(text []byte) error {
	size, err := ParseByteSize(string(text))
	if err != nil {
		return err
	}
	*b = size
	return nil
}
