package ops

// LockDelays is how many keys are remembered that may not be locked.
func (o *Ops) LockDelays() int {
	o.lockDelays.mu.Lock()
	defer o.lockDelays.mu.Unlock()
	return len(o.lockDelays.until)
}
