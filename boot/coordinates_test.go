package boot

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/serf/coordinate"

	"muster/model"
)

func TestCoordinatesAreSentInTime(t *testing.T) {
	for _, test := range []struct {
		agents         int
		least, longest time.Duration
	}{
		{1, 15 * time.Second, 30 * time.Second},
		{64 * 15, 15 * time.Second, 30 * time.Second},
		{64 * 100, 100 * time.Second, 200 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			var sent []time.Time
			stretch := 0
			c := &coordinates{
				size: func() int { return test.agents },
				own: func() (*coordinate.Coordinate, error) {
					return coordinate.NewCoordinate(coordinate.DefaultConfig()), nil
				},
				send: func(_ context.Context, v *model.Vector) error {
					if err := v.Validate(); err != nil {
						t.Errorf("the state would refuse %+v: %v", v, err)
					}
					sent = append(sent, time.Now())
					return errors.New("no leader") // is tried again at the usual time
				},
				jitter: func(d time.Duration) time.Duration {
					stretch = 1 - stretch // none, then the longest
					return time.Duration(stretch) * (d - 1)
				},
				logger: hclog.NewNullLogger(),
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*test.longest)
			defer cancel()
			last := time.Now()
			c.run(ctx)
			for _, at := range sent {
				if d := at.Sub(last); d < test.least || d > test.longest {
					t.Errorf("%d agents: one waits %v, want %v to %v", test.agents, d, test.least, test.longest)
				}
				last = at
			}
			if len(sent) < 20 {
				t.Errorf("%d agents: sent %d times", test.agents, len(sent))
			}
		})
	}
}
