package boot

import (
	"context"
	"errors"

	"muster/model"
	"muster/ops"
	"muster/relay"
	"muster/rexec"
)

// startRexec lets this agent run what operators send, where that is allowed.
func (a *Agent) startRexec() error {
	if a.cfg.DisableRemoteExec {
		return nil
	}
	a.rexec = rexec.New(keys{a}, a.cfg.Node.Name, a.log.Named("agent.exec"))
	a.onStop(a.rexec.Close)
	return nil
}

// keys is the KV store for remote exec.
type keys struct{ a *Agent }

func (k keys) Get(ctx context.Context, key string) ([]byte, error) {
	if err := k.a.relay.Admit(ctx, relay.Leader, ""); err != nil {
		return nil, err
	}
	token := catalog(k).token()
	if err := k.a.ops.MayReadKey(token, key); err != nil {
		return nil, err
	}
	p, _, err := answer(ctx, k.a, &ops.Query{Token: token}, k.a.ops.KVGet(key))
	if err != nil || p == nil {
		return nil, err
	}
	return p.Value, nil
}

func (k keys) Lock(ctx context.Context, key string, value []byte, session string) error {
	if err := k.a.relay.Admit(ctx, relay.Leader, ""); err != nil {
		return err
	}
	done, err := k.a.ops.KVApply(ctx, catalog(k).token(), &model.KVCommand{Op: model.KVLock,
		DirEnt: model.KVPair{Key: key, Value: value, Session: session}})
	if err == nil && !done {
		err = errors.New("the key is locked by another session")
	}
	return err
}
