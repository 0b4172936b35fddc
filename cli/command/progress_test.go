package command

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgress(t *testing.T) {
	unit := func(n int64) string { return fmt.Sprint(n, " bytes") }
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		advance, end := progress(&out, "Saving", 8, unit)
		if n, err := io.Copy(io.Discard, Advancing(strings.NewReader("1234"), advance)); n != 4 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		time.Sleep(progressEvery + progressEvery/2)
		end()
		if want := "\r\x1b[KSaving: 4 bytes of 8 bytes (50%)\r\x1b[K"; out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
		out.Reset()
		_, end = progress(&out, "Saving", 0, unit)
		time.Sleep(progressEvery + progressEvery/2)
		end()
		if want := "\r\x1b[KSaving: 0 bytes\r\x1b[K"; out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
	var errOut bytes.Buffer
	advance, end := (&Call{World: World{Stderr: &errOut}}).Progress("Saving", 8, unit)
	advance(4)
	end()
	if errOut.Len() > 0 {
		t.Errorf("a pipe gets %q", errOut.String())
	}
}
