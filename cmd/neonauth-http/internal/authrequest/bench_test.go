package authrequest

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

// okReply returns a genuine-looking OK without its tag.
func okReply() string {
	claims := `{"sub":"6f2c1d52-3c1b-4c0e-9a5e-0b7f5d0f8a11","project_id":"0c8a52d6-8d35-4f0a-9c39-6a4c1c7f2b60","branch_id":"main",` +
		`"refresh_token_id":"11111111-2222-4333-8444-555555555555","role":"authenticated","name":"Ada Lovelace","email":"ada@example.org",` +
		`"email_verified":true,"selected_team_id":"0c8a52d6-8d35-4f0a-9c39-6a4c1c7f2b60","signed_up_at":1758700000,"is_anonymous":false,` +
		`"is_restricted":false,"restricted_reason":null,"requires_totp_mfa":false,"iss":"https://api.stack-auth.com/api/v1/projects/x",` +
		`"aud":"0c8a52d6-8d35-4f0a-9c39-6a4c1c7f2b60","iat":1758700000,"exp":4000000000}`
	return "OK level=claims project=main sub=6f2c1d52-3c1b-4c0e-9a5e-0b7f5d0f8a11 age=3 ttl=57 exp=4000000000 source=cache rev=AAAAAAAAAAA.0 handles=AAAAAAAAAAA " + claims + "\n"
}

// fakeDaemon answers every lookup with the same reply, which may be kept, and ends nothing.
func fakeDaemon(reply string) *client.Client {
	return &client.Client{Dial: func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			in := bufio.NewReaderSize(far, 16<<10)
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				tag := ""
				if strings.HasPrefix(line, "@") {
					tag, _, _ = strings.Cut(line, " ")
					tag += " "
				}
				say := reply
				switch {
				case strings.HasSuffix(line, "WATCH\n"):
					say = "OK lease=1000 rev=AAAAAAAAAAA.0\n"
				case strings.HasPrefix(line, "SEEN"):
					say = "OK lease=1000 rev=0\n"
				}
				if _, err := io.WriteString(far, tag+say); err != nil {
					return
				}
			}
		}()
		return near, nil
	}}
}

func quietService(tb testing.TB, c *client.Client) *Service {
	tb.Helper()
	tb.Cleanup(func() { _ = c.Close() })
	set, err := Load("")
	if err != nil {
		tb.Fatal(err)
	}
	return New("dev", c, set, slog.New(slog.DiscardHandler), time.Now)
}

// nowhere is a ResponseWriter that keeps nothing.
type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(int)             {}

// BenchmarkAccepted is a whole request without the HTTP server around it.
func BenchmarkAccepted(b *testing.B) {
	asking := fakeDaemon(okReply())
	asking.Keep = -1
	b.Run("asked", func(b *testing.B) { benchmarkAccepted(b, asking) })
	b.Run("kept", func(b *testing.B) { benchmarkAccepted(b, fakeDaemon(okReply())) })
}

func benchmarkAccepted(b *testing.B, c *client.Client) {
	b.Helper()
	s := quietService(b, c)
	r, err := http.NewRequest(http.MethodGet, "/nginx?level=claims", http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.Repeat("a", 20)+"."+strings.Repeat("b", 700)+"."+strings.Repeat("c", 86))
	b.ReportAllocs()
	for b.Loop() {
		s.ServeHTTP(&nowhere{http.Header{}}, r)
	}
}

// BenchmarkIdentity is this package's own part of such a request: the user and
// the headers.
func BenchmarkIdentity(b *testing.B) {
	_, object, _ := strings.Cut(okReply(), "handles=AAAAAAAAAAA ")
	a := client.Accepted{Level: client.LevelClaims, Subject: "6f2c1d52-3c1b-4c0e-9a5e-0b7f5d0f8a11", JSON: []byte(strings.TrimSpace(object))}
	set, err := Load("")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(base64.RawURLEncoding.EncodedLen(len(a.JSON))))
	for b.Loop() {
		if _, err := newPrincipal(&a, a.User(), set.show).identityOf(a.Age, set.show); err != nil {
			b.Fatal(err)
		}
	}
}
