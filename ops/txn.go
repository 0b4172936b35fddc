package ops

import (
	"context"

	"muster/acl"
	"muster/model"
)

// Txn carries out all operations of a transaction or none. What cannot be
// done is told in the response, not as an error. A transaction that only reads
// is answered from this server's state, as current as q says.
func (o *Ops) Txn(ctx context.Context, q *Query, t *model.Txn) (*model.TxnResponse, error) {
	authz, err := o.acl.Resolve(q.Token)
	if err != nil {
		return nil, err
	}
	if errs := o.checkTxn(authz, t); len(errs) > 0 {
		return &model.TxnResponse{Errors: errs}, nil
	}
	run := o.writeTxn
	if t.ReadOnly() {
		run = o.readTxn
	}
	resp, err := run(ctx, q, t)
	if err != nil {
		return nil, err
	}
	return &model.TxnResponse{Results: visible(authz, resp.Results), Errors: resp.Errors}, nil
}

func (o *Ops) writeTxn(ctx context.Context, _ *Query, t *model.Txn) (*model.TxnResponse, error) {
	result, err := o.propose(ctx, model.CmdTxn, t)
	if err != nil {
		return nil, err
	}
	resp, ok := result.(*model.TxnResponse)
	if !ok {
		return nil, model.Errorf(model.Internal, "transaction yielded %T", result)
	}
	return resp, nil
}

func (o *Ops) readTxn(ctx context.Context, q *Query, t *model.Txn) (*model.TxnResponse, error) {
	if _, err := o.admit(ctx, q); err != nil {
		return nil, err
	}
	if q.current() {
		return o.store.Current().ReadTxn(t), nil
	}
	if reign := o.log.Reign(); reign != 0 {
		resp := o.store.Current().ReadTxn(t)
		if o.log.Reign() == reign {
			return resp, nil
		}
	}
	if err := o.log.ConfirmRead(ctx, false); err != nil {
		return nil, err
	}
	return o.store.Current().ReadTxn(t), nil
}

// Meta is the meta data of an answer that was given in a mode.
func (o *Ops) Meta(m Mode) Meta { return o.meta(m, 0) }

func (o *Ops) checkTxn(authz acl.Authorizer, t *model.Txn) []model.TxnError {
	var errs []model.TxnError
	for i := range t.Ops {
		if err := o.checkTxnOp(authz, &t.Ops[i]); err != nil {
			errs = append(errs, model.TxnError{OpIndex: i, What: err.Error()})
		}
	}
	return errs
}

func (o *Ops) checkTxnOp(authz acl.Authorizer, op *model.TxnOp) error {
	switch {
	case op.KV != nil:
		if err := o.checkKV(authz, op.KV.Verb, &op.KV.DirEnt); err != nil {
			return err
		}
		if op.KV.Verb == model.KVLock && o.delayed(&op.KV.DirEnt) {
			return model.Errorf(model.Conflict, "failed to lock key %q due to lock delay", op.KV.DirEnt.Key)
		}
		return nil
	case op.Node != nil:
		n := &op.Node.Node
		if n.Datacenter == "" {
			n.Datacenter = o.datacenter
		}
		if n.Node == "" && n.ID == "" {
			return model.Errorf(model.BadRequest, "Must provide node")
		}
		if n.ID != "" {
			if err := checkNodeID(n.ID); err != nil {
				return err
			}
		}
		if err := model.ValidateName("Node", n.Node); err != nil {
			return err
		}
		return o.permitNode(authz, acl.Node, accessOf(op.Node.Verb), n.Node, n.ID)
	case op.Service != nil:
		if op.Service.Verb != model.VerbGet {
			if err := prepareService(&op.Service.Service); err != nil {
				return err
			}
		}
		return o.permitInstance(authz, accessOf(op.Service.Verb), op.Service.Node, &op.Service.Service)
	case op.Check != nil:
		c := &op.Check.Check
		if c.Node == "" {
			return model.Errorf(model.BadRequest, "Must provide node")
		}
		if err := prepareCheck(c, c.Node); err != nil {
			return err
		}
		return o.permitNode(authz, acl.Node, accessOf(op.Check.Verb), c.Node, "")
	case op.Session != nil:
		if err := checkSessionID(op.Session.Session.ID); err != nil {
			return err
		}
		_, s := o.store.Current().Session(op.Session.Session.ID)
		if s == nil {
			return nil
		}
		return permit(authz, acl.Session, s.Node, acl.Write)
	}
	return nil
}

func accessOf(v model.TxnVerb) acl.Access {
	if v == model.VerbGet {
		return acl.Read
	}
	return acl.Write
}
