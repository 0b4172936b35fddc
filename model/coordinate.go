package model

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
