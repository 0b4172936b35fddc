package quorum

import "container/heap"

// A waiter waits for an index to be applied; done is closed then.
type waiter struct {
	index uint64
	done  chan struct{}
	place int // in the heap, -1 when taken out
}

// waiters is a heap: the one with the smallest index comes first.
type waiters []*waiter

func (h *waiters) push(w *waiter) { heap.Push((*waiterHeap)(h), w) }

func (h *waiters) pop() *waiter { return heap.Pop((*waiterHeap)(h)).(*waiter) }

// remove takes w out if it is still in.
func (h *waiters) remove(w *waiter) {
	if w.place >= 0 {
		heap.Remove((*waiterHeap)(h), w.place)
	}
}

type waiterHeap []*waiter

func (h waiterHeap) Len() int           { return len(h) }
func (h waiterHeap) Less(i, j int) bool { return h[i].index < h[j].index }
func (h waiterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *waiterHeap) Push(x any) {
	w := x.(*waiter)
	w.place = len(*h)
	*h = append(*h, w)
}

func (h *waiterHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	w.place = -1
	return w
}
