package relevance

import (
	"math"
	"math/rand/v2"
)

// TTest is the outcome of a paired t test.
type TTest struct {
	T       float64 // the statistic; 0 when all differences are 0
	Freedom int     // degrees of freedom, one less than there are pairs
	P       float64 // two-sided
}

// PairedT tests whether the mean of b differs from that of a, where a[i] and
// b[i] are the values of one query. The result has P 1 when there are fewer than
// two pairs or no differences. It panics when the lengths differ.
func PairedT(a, b []float64) TTest {
	d := differences(a, b)
	test := TTest{Freedom: max(len(d)-1, 0), P: 1}
	if test.Freedom == 0 {
		return test
	}
	mean := Mean(d)
	squares := 0.0
	for _, x := range d {
		squares += (x - mean) * (x - mean)
	}
	deviation := math.Sqrt(squares / float64(test.Freedom))
	switch {
	case deviation > 0:
		test.T = mean / (deviation / math.Sqrt(float64(len(d))))
		test.P = studentTail(math.Abs(test.T), float64(test.Freedom))
	case mean != 0: // the same difference everywhere: no chance at all
		test.T = math.Copysign(math.Inf(1), mean)
		test.P = 0
	}
	return test
}

// Randomisation tests whether the mean of b differs from that of a by flipping
// the signs of the differences: it returns the share of assignments whose mean
// is at least as far from 0 as the one seen, two-sided. While there are no more
// than rounds assignments it counts them all; else it draws rounds of them, the
// one seen counted in, in an order that seed fixes. It returns 1 where there is
// no difference. It panics when the lengths differ.
func Randomisation(a, b []float64, rounds int, seed uint64) float64 {
	d := differences(a, b)
	// A difference of 0 has no sign: leaving it out changes no mean.
	moved := d[:0]
	sum := 0.0
	for _, x := range d {
		if x != 0 {
			moved = append(moved, x)
			sum += x
		}
	}
	// Sums of the same terms in another order differ by rounding.
	seen := math.Abs(sum) * (1 - 1e-12)
	if len(moved) < 63 && uint64(1)<<len(moved) <= uint64(max(rounds, 0)) {
		return flipAll(moved, seen)
	}
	source := rand.New(rand.NewPCG(seed, 0))
	extreme := 1
	for range rounds {
		if math.Abs(flip(moved, source.Uint64)) >= seen {
			extreme++
		}
	}
	return float64(extreme) / float64(rounds+1)
}

func flipAll(d []float64, seen float64) float64 {
	all, extreme := uint64(1)<<len(d), 0
	for signs := range all {
		if math.Abs(flip(d, func() uint64 { return signs })) >= seen {
			extreme++
		}
	}
	return float64(extreme) / float64(all)
}

// flip returns the sum with the signs that the bits say, asked for 64 at a time.
func flip(d []float64, bits func() uint64) float64 {
	sum, signs := 0.0, uint64(0)
	for i, x := range d {
		if i%64 == 0 {
			signs = bits()
		}
		if signs&1 == 1 {
			x = -x
		}
		signs >>= 1
		sum += x
	}
	return sum
}

func differences(a, b []float64) []float64 {
	if len(a) != len(b) {
		panic("relevance: paired values of different lengths")
	}
	d := make([]float64, len(a))
	for i := range a {
		d[i] = b[i] - a[i]
	}
	return d
}

// studentTail is the probability that Student's t with so many degrees of
// freedom is at least t away from 0. t is not negative.
func studentTail(t, freedom float64) float64 {
	return incompleteBeta(freedom/(freedom+t*t), freedom/2, 0.5)
}

// incompleteBeta is the regularised incomplete beta function, for x from 0 to 1.
func incompleteBeta(x, a, b float64) float64 {
	if x <= 0 {
		return 0
	}
	if x >= 1 {
		return 1
	}
	// The continued fraction converges fast on this side of the mean only.
	if x > (a+1)/(a+b+2) {
		return 1 - incompleteBeta(1-x, b, a)
	}
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	front := math.Exp(lab - la - lb + a*math.Log(x) + b*math.Log1p(-x))
	return front * betaFraction(x, a, b) / a
}

// betaFraction evaluates the continued fraction of the incomplete beta function
// front to back (Lentz's method), to the precision of a float64.
func betaFraction(x, a, b float64) float64 {
	const tiny, precision, steps = 1e-300, 1e-15, 1000
	away := func(v float64) float64 { // from 0, where the method would divide by it
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/away(1-(a+b)*x/(a+1))
	value := d
	for i := 1; i <= steps; i++ {
		m := float64(i)
		for _, term := range [...]float64{
			m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)),
			-(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1)),
		} {
			d = 1 / away(1+term*d)
			c = away(1 + term/c)
			value *= c * d
		}
		if math.Abs(c*d-1) < precision {
			break
		}
	}
	return value
}
