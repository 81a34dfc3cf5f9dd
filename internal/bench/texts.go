package bench

import (
	"math/rand/v2"
	"strings"
)

// vocabulary are common English words, which tokenizers for English have whole.
var vocabulary = strings.Fields(`
	able about above across action after again against age air all almost along already also always among animal answer
	area army around art away back bank base battle because become before began behind being best better between big
	black blood blue board body book both bring building built business call came capital car care case cause center
	century chance change chief child church city class clear close coast cold college color come common company
	complete condition control cost could country course court cover cross current cut data date dark daughter day
	death deep degree design develop different direct district doctor door down draw early earth east effect eight
	either end energy enough even event ever every example eye face fact fall family farm father feel feet few field
	fight figure film final find fire first fish five floor follow food foot force foreign form forest found four free
	friend front full game garden gave general girl give glass gold good government great green ground group grow guide
	half hall hand hard head health hear heart heat heavy held help high hill history hold home horse hospital hot hour
	house human hundred idea important industry inside interest iron island join keep kind king knew know lake land
	language large last late law lead learn least leave left length less level library life light like line list little
	live local long look lost low machine main major make man many map mark market master material matter mean measure
	member metal middle might mile military mind minute modern moment money month moon morning most mother mountain
	move much music must name nation nature near never new news next night north note nothing number ocean office often
	oil old once only open order other outside over own page paper park part party past people perhaps period person
	picture piece place plan plant play point police poor population position possible power present press price
	problem process product public purpose question quite race radio railway rain range rate reach read ready real
	reason record red region report result return rich right rise river road rock role room round rule running same
	school science sea season second section see seem sense series service set seven several shape ship short show side
	simple since single site six size small social society soil some song soon sound source south space special speed
	spring square stage stand star start state station stay steel step still stone stop story street strong structure
	student study such summer sun support sure surface system table take tax team tell temperature term test than their
	there thing third though thought thousand three through time today together took total toward town trade train
	travel tree true turn two type under union unit until upon use usual value various very view village voice wait wall
	war warm watch water wave way week weight well west wheel where while white whole why wide wild wind window winter
	with within without woman wood word work world would write year young`)

// Parts of the query, which is asked of every passage: as long as a usual one.
const queryWords = 7

// texts makes texts of so many words. The same seed gives the same texts, and no
// two are alike, so that nothing is gained by having seen one before. It is not
// safe for concurrent use.
type texts struct{ random *rand.Rand }

func newTexts(seed uint64) *texts {
	return &texts{rand.New(rand.NewPCG(seed, seed))} //nolint:gosec // texts need no secrecy
}

func (t *texts) words(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(vocabulary[t.random.IntN(len(vocabulary))])
	}
	return b.String()
}

func (t *texts) query() string { return t.words(queryWords) }

// scale is how a tokenizer counts: the tokens of a pair by the words of its
// passage. Its zero value stands for a token a word.
type scale struct{ fixed, perWord float64 }

// words is how many words make a pair of about so many tokens: at least one.
func (s scale) words(tokens int) int {
	if s.perWord <= 0 {
		return max(1, tokens)
	}
	return max(1, int((float64(tokens)-s.fixed)/s.perWord+0.5))
}
