package bounded

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

func TestAnAnswerHasABound(t *testing.T) {
	for size, want := range map[int]error{mostRead - 1: nil, mostRead: nil, mostRead + 1: ErrFlood} {
		near, far := net.Pipe()
		go func() {
			_, _ = io.CopyN(io.Discard, far, 1)
			_, _ = far.Write(make([]byte, size))
			_ = far.Close()
		}()
		c := Conn(near)
		if _, err := c.Write([]byte("?")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", size, err)
		}
		_ = near.Close()
	}
}

// TestAnAnswerAnnouncesNoMoreThanItMayHave: the client takes memory for what is
// announced before it has come. However the answer is cut, the sizes are seen.
func TestAnAnswerAnnouncesNoMoreThanItMayHave(t *testing.T) {
	value := "$" + fmt.Sprint(mostValue) + "\r\n" + strings.Repeat("$", mostValue) + "\r\n"
	for text, fits := range map[string]bool{
		value:                               true,
		value + value:                       true,
		"*2\r\n" + value + ":1\r\n" + value: true,
		"%1\r\n+$9999999\r\n-*99999999\r\n:99999999\r\n":             true, // lines that tell no size
		"$-1\r\n*-1\r\n_\r\n#t\r\n,1e99999999\r\n$0\r\n\r\n" + value: true,
		fmt.Sprintf("*%d\r\n", mostItems):                            true,
		fmt.Sprintf("*%d\r\n", mostItems+1):                          false,
		fmt.Sprintf(">%d\r\n", mostItems+1):                          false,
		fmt.Sprintf("*1\r\n*2\r\n$%d\r\n", mostValue+1):              false,
		fmt.Sprintf("%s$%d\r\n", value, mostValue+1):                 false,
		"$0\r\n\r\n=99999999999999999999999999\r\n":                  false,
	} {
		for _, cut := range []int{1, 2, 3, 7, len(text)} {
			var f frame
			got := true
			for rest := []byte(text); len(rest) > 0 && got; rest = rest[min(cut, len(rest)):] {
				got = f.fits(rest[:min(cut, len(rest))])
			}
			if got != fits {
				t.Errorf("%.40q in parts of %d: fits %v", text, cut, got)
			}
		}
	}
}
