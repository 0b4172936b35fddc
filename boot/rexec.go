package boot

import (
	"context"
	"errors"
	"net/http"
	"net/url"

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
	token := catalog(k).token()
	need := relay.Need{Place: relay.Server}
	if !k.a.relay.Here(need) {
		var raw []byte
		err := k.a.call(ctx, need, http.MethodGet, "/v1/kv/"+keyPath(key)+"?raw", token, nil, &raw)
		if model.KindOf(err) == model.NotFound {
			return nil, nil
		}
		return raw, err
	}
	if err := k.a.ops.MayReadKey(token, key); err != nil {
		return nil, err
	}
	p, _, err := answer(ctx, k.a, &ops.Query{Token: token}, k.a.ops.KVGet(key))
	if err != nil || p == nil {
		return nil, err
	}
	return p.Value, nil
}

// keyPath is a key as part of a path.
func keyPath(key string) string { return (&url.URL{Path: key}).EscapedPath() }

func (k keys) Lock(ctx context.Context, key string, value []byte, session string) error {
	token, done := catalog(k).token(), false
	var err error
	if k.a.relay.Here(write) {
		done, err = k.a.ops.KVApply(ctx, token, &model.KVCommand{Op: model.KVLock,
			DirEnt: model.KVPair{Key: key, Value: value, Session: session}})
	} else {
		if value == nil {
			value = []byte{}
		}
		err = k.a.call(ctx, write, http.MethodPut, "/v1/kv/"+keyPath(key)+"?acquire="+session, token, value, &done)
	}
	if err == nil && !done {
		err = errors.New("the key is locked by another session")
	}
	return err
}
