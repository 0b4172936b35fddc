package keypair

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	key, err := New()
	if err != nil {
		t.Fatal(err)
	}
	own, err := EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	rsa, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return Encode(anyKey, der)
	}
	for text, public := range map[string]any{
		own:        key.Public(),
		"\n" + own: key.Public(),
		pkcs8(key): key.Public(),
		pkcs8(rsa): rsa.Public(),
		pkcs8(ed):  ed.Public(),
		Encode(rsaKey, x509.MarshalPKCS1PrivateKey(rsa)): rsa.Public(),
	} {
		got, err := ParseKey(text)
		if err != nil {
			t.Error(err)
			continue
		}
		a, _ := ID(got.Public())
		b, _ := ID(public)
		if len(a) != 32 || string(a) != string(b) {
			t.Errorf("key %x, want %x", a, b)
		}
	}
	exchange, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                       "there is no key in PEM",
		"no PEM":                 "there is no key in PEM",
		Encode("DSA KEY", nil):   `"DSA KEY" is not a kind of key that is known`,
		pkcs8(exchange):          "cannot sign",
		Encode(ecKey, []byte{1}): "",
		Encode(anyKey, nil):      "",
	} {
		if _, err := ParseKey(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseCertificate(own); err == nil || err.Error() != "there is no certificate in PEM" {
		t.Error(err)
	}
}

// What files hold must not stop the process.
func FuzzParse(f *testing.F) {
	key, err := New()
	if err != nil {
		f.Fatal(err)
	}
	text, err := EncodeKey(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(Encode(Certificate, []byte{0x30}))
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := ParseKey(text); err == nil {
			if _, err := ID(key.Public()); err != nil {
				t.Error(err)
			}
		}
		if c, err := ParseCertificate(text); err == nil && c == nil {
			t.Error("no certificate and no error")
		}
	})
}
