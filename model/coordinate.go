package model

import "math"

// Vector is a network coordinate (Vivaldi, Dabek et al. 2004, with the height
// model and the adjustment term of Lee et al. 2005). Units are seconds.
type Vector struct {
	Vec        []float64
	Error      float64
	Adjustment float64
	Height     float64
}

// Coordinate is the network coordinate of a node.
type Coordinate struct {
	Node    string
	Segment string
	Coord   *Vector
}

// Dimensions is how many components the vector of a coordinate has.
const Dimensions = 8

// Validate refuses coordinates with which nothing can be computed.
func (v *Vector) Validate() error {
	if len(v.Vec) != Dimensions {
		return Errorf(BadRequest, "Coord.Vec has %d components, must have %d", len(v.Vec), Dimensions)
	}
	for _, x := range append([]float64{v.Error, v.Adjustment, v.Height}, v.Vec...) {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Errorf(BadRequest, "Coord has a component that is not a finite number")
		}
	}
	return nil
}

// RTT estimates the round trip between two coordinates, in seconds.
func (v *Vector) RTT(o *Vector) float64 {
	if len(v.Vec) != len(o.Vec) {
		return math.Inf(1)
	}
	var sum float64
	for i := range v.Vec {
		d := v.Vec[i] - o.Vec[i]
		sum += d * d
	}
	rtt := math.Sqrt(sum) + v.Height + o.Height
	if adjusted := rtt + v.Adjustment + o.Adjustment; adjusted > 0 {
		return adjusted
	}
	return rtt
}
