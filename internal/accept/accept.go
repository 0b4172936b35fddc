// Package accept reads the request header Accept-Encoding.
package accept

import (
	"strconv"
	"strings"
)

// Gzip tells whether the header's fields allow gzip (RFC 9110, 12.5.3): what is
// said of gzip counts before what is said of "*", and a weight of 0 is a refusal.
func Gzip(fields []string) bool {
	accepts := false
	for item := range strings.SplitSeq(strings.Join(fields, ","), ",") {
		coding, weight, _ := strings.Cut(item, ";")
		switch coding = strings.TrimSpace(coding); {
		case strings.EqualFold(coding, "gzip"):
			return !isZero(weight)
		case coding == "*":
			accepts = !isZero(weight)
		}
	}
	return accepts
}

func isZero(weight string) bool {
	name, value, _ := strings.Cut(strings.TrimSpace(weight), "=")
	if !strings.EqualFold(strings.TrimSpace(name), "q") {
		return false
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	return err == nil && q == 0
}
