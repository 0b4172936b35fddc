package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/mattn/go-isatty"
)

// Println writes a line to standard output.
func (c *Call) Println(args ...any) { fmt.Fprintln(c.Stdout, args...) }

// Printf writes a line to standard output; the newline is added.
func (c *Call) Printf(format string, args ...any) { fmt.Fprintf(c.Stdout, format+"\n", args...) }

// Warn writes a line to standard error; the newline is added.
func (c *Call) Warn(format string, args ...any) {
	fmt.Fprintln(c.Stderr, paint(c.Stderr, Yellow, fmt.Sprintf(format, texts(args)...)))
}

// Fail writes a line to standard error and returns ExitError. Errors among
// the arguments are shown as people should see them.
func (c *Call) Fail(format string, args ...any) int {
	fmt.Fprintln(c.Stderr, paint(c.Stderr, Red, fmt.Sprintf(format, texts(args)...)))
	return ExitError
}

// Usage is Fail followed by the command's help: it was called wrongly.
func (c *Call) Usage(format string, args ...any) int {
	c.Fail(format, args...)
	fmt.Fprintln(c.Stderr)
	return c.Help()
}

// Help writes the command's help to standard error.
func (c *Call) Help() int {
	fmt.Fprintln(c.Stderr, help(c.doc, c.flags))
	return ExitError
}

func texts(args []any) []any {
	shown := make([]any, len(args))
	for i, a := range args {
		if err, ok := a.(error); ok {
			a = ErrorText(err)
		}
		shown[i] = a
	}
	return shown
}

// JSON writes the value to standard output, indented and with a newline.
func (c *Call) JSON(v any, indent string) int {
	text, err := json.MarshalIndent(v, "", indent)
	if err != nil {
		return c.Fail("Error encoding JSON: %s", err)
	}
	c.Println(string(text))
	return 0
}

// Table writes rows to standard output, the first being the header: columns
// as wide as their widest cell, two spaces apart.
func (c *Call) Table(rows [][]string) {
	io.WriteString(c.Stdout, columns(rows, func(row, col int, cell string) string {
		if row == 0 {
			return paint(c.Stdout, Bold, cell)
		}
		if color, ok := statusColors()[cell]; ok {
			return paint(c.Stdout, color, cell)
		}
		return cell
	}))
}

func columns(rows [][]string, style func(row, col int, cell string) string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for r, row := range rows {
		for i, cell := range row {
			b.WriteString(style(r, i, cell))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Color is an escape sequence of the terminal.
type Color string

// The colors in use.
const (
	Bold   Color = "1"
	Red    Color = "31"
	Green  Color = "32"
	Yellow Color = "33"
)

func statusColors() map[string]Color {
	return map[string]Color{"alive": Green, "failed": Red, "leaving": Yellow, "left": Yellow}
}

// paint colors a text for people; programs that read the output get it plain.
func paint(w io.Writer, color Color, text string) string {
	if !IsTerminal(w) || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + string(color) + "m" + text + "\x1b[0m"
}

// IsTerminal tells whether a person is looking at what is written there.
func IsTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
