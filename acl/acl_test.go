package acl_test

import (
	"testing"

	"muster/acl"
)

// Without access control every token, and none, may do everything, and the
// doors are told so.
func TestOpen(t *testing.T) {
	var r acl.Resolver = acl.Open{}
	if r.Enabled() || r.DefaultPolicy() != "allow" {
		t.Errorf("enabled %t, policy %q", r.Enabled(), r.DefaultPolicy())
	}
	for _, token := range []string{"", "anything"} {
		a, err := r.Resolve(token)
		if err != nil || !a.AllowsAll() {
			t.Fatalf("%q: %v, %v", token, a, err)
		}
		for _, res := range []acl.Resource{acl.Agent, acl.Event, acl.Key, acl.Node, acl.Query, acl.Service, acl.Session, acl.ACL, acl.Keyring, acl.Operator} {
			for _, access := range []acl.Access{acl.Read, acl.List, acl.Write} {
				if !a.Allowed(res, "x", access) || !a.Allowed(res, "", access) {
					t.Errorf("%q may not %s %s", token, access, res)
				}
			}
		}
	}
}
