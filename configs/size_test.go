package configs_test

import (
	"math"
	"testing"

	"github.com/rerankd/rerankd/configs"
)

func TestSizesAreReadWithAndWithoutUnit(t *testing.T) {
	for _, tc := range []struct {
		text  string
		want  configs.ByteSize
		short string // how it is written
	}{
		{"0", 0, "0"},
		{"0KiB", 0, "0"},
		{"1", 1, "1"},
		{"1B", 1, "1"},
		{"1023", 1023, "1023"},
		{"1024", configs.KiB, "1KiB"},
		{"64KB", 64000, "64000"},
		{"10MiB", 10 * configs.MiB, "10MiB"},
		{"10MB", 10_000_000, "10000000"},
		{"1536KiB", 1536 * configs.KiB, "1536KiB"},
		{"2048KiB", 2 * configs.MiB, "2MiB"},
		{"3GB", 3_000_000_000, "3000000000"},
		{"4GiB", 4 * configs.GiB, "4GiB"},
		{"5TB", 5_000_000_000_000, "4882812500KiB"},
		{"6TiB", 6 * configs.TiB, "6TiB"},
		{"9223372036854775807", math.MaxInt64, "9223372036854775807"},
	} {
		got, err := configs.ParseByteSize(tc.text)
		if err != nil || got != tc.want || got.String() != tc.short {
			t.Errorf("ParseByteSize(%q) = %d, %v, written %q, want %d, written %q", tc.text, got, err, got, tc.want, tc.short)
		}
	}
}

func TestSizesThatCouldBeMisreadAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "B", "KiB", "-1", "+1", "1.5GiB", "1e6", "1_000", "0x10", " 1", "1 ", "1 KiB", "10mb", "10MiBB", "10Mi", "1k", "١",
		"9223372036854775808", "8388608TiB", "99999999999999999999KiB",
	} {
		b := configs.ByteSize(42)
		if err := b.UnmarshalText([]byte(text)); err == nil || b != 42 {
			t.Errorf("UnmarshalText(%q): %d, %v, want an error and the old value", text, b, err)
		}
	}
}
