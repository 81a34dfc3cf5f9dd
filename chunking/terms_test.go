package chunking_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/chunking"
)

func TestTermsAreThoseOfTheStandardAnalyser(t *testing.T) {
	long := strings.Repeat("X", 300)
	for text, want := range map[string][]string{
		"":                                nil,
		"The QUICK fox, isn’t it?":        {"the", "quick", "fox", "isn’t", "it"},
		"U.S. 3.14 a_b __ _ e-mail x@y":   {"u.s", "3.14", "a_b", "e", "mail", "x", "y"},
		"ÜBER Straße ΣΑΣ İ":               {"über", "straße", "σασ", "i"},
		"今日は カタカナ":                        {"今", "日", "は", "カタカナ"},
		"ภาษาไทย ลาว":                     {"ภาษาไทย", "ลาว"},
		"한국어.입니다 한국어":                     {"한국어.입니다", "한국어"},
		"😀 !":                             nil,
		long:                              {strings.Repeat("x", 255), strings.Repeat("x", 45)},
		strings.Repeat("𝒳", 128) + " end": {strings.Repeat("𝒳", 127), "𝒳", "end"},
	} {
		if got := slices.Collect(chunking.Terms(text)); !slices.Equal(got, want) {
			t.Errorf("%.40q: terms %q, want %q", text, got, want)
		}
	}
	for first := range chunking.Terms("one two") {
		if first != "one" {
			t.Errorf("first term %q", first)
		}
		break
	}
}
