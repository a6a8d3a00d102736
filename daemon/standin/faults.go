package standin

type faults struct{}

func newFaults() *faults { return &faults{} }
