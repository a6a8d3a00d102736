package advice

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestEachEndHasItsOwnAdvice: no known reason, code or refused verb gets only
// the general advice.
func TestEachEndHasItsOwnAdvice(t *testing.T) {
	said := map[string]string{Rejected("new"): "an unknown reason", Unknown("new"): "an unknown code"}
	see := func(what, text string) {
		if before, there := said[text]; there || text == "" {
			t.Errorf("%s: %q, as for %s", what, text, before)
		}
		said[text] = what
	}
	for _, r := range protocol.Reasons() {
		see(string(r), Rejected(r))
	}
	for _, c := range protocol.Codes() {
		see(string(c), Unknown(c))
	}
	for verb, code := range map[protocol.Verb]protocol.Code{
		protocol.RELOAD: protocol.CodeMisconfigured, protocol.STATS: protocol.CodeForbidden,
		protocol.LOGOUT: protocol.CodeMisconfigured, protocol.REVOKE: protocol.CodeBusy,
	} {
		see(string(verb)+" "+string(code), Refused(verb, code, ""))
	}
	for _, verb := range []protocol.Verb{protocol.REVOKE, protocol.UNREVOKE, protocol.PURGE, protocol.LOGOUT} {
		see(string(verb)+", not saved", Refused(verb, protocol.CodeUnavailable, protocol.TextNotSaved))
		if Refused(verb, protocol.CodeUnavailable, "new") != Unknown(protocol.CodeUnavailable) {
			t.Errorf("%s: another text of unavailable has no advice", verb)
		}
	}
	see(protocol.TextStopping, Refused(protocol.PURGE, protocol.CodeUnavailable, protocol.TextStopping))
	see(protocol.TextTokensStay, Refused(protocol.LOGOUT, protocol.CodeMisconfigured, protocol.TextTokensStay))
	see(protocol.TextUnusableKey, Misconfigured(protocol.TextUnusableKey))
	see("LOGOUT, "+protocol.TextUnusableKey, Refused(protocol.LOGOUT, protocol.CodeMisconfigured, protocol.TextUnusableKey))
	if Misconfigured("new") != Unknown(protocol.CodeMisconfigured) {
		t.Error("another text of misconfigured has no advice")
	}
	for _, text := range []string{protocol.TextNoLevel, protocol.TextNoProject} {
		see(text, Forbidden(text))
	}
	if Forbidden("new") != Unknown(protocol.CodeForbidden) {
		t.Error("another text of forbidden has no advice")
	}
	for _, text := range []string{protocol.TextUnheard, protocol.TextClockUnset, protocol.TextNoProfile} {
		see(text, Unavailable(text))
	}
	see("LOGOUT, "+protocol.TextClockUnset, Refused(protocol.LOGOUT, protocol.CodeUnavailable, protocol.TextClockUnset))
	if Unavailable("new") != Unknown(protocol.CodeUnavailable) {
		t.Error("another text of unavailable has no advice")
	}
	for _, text := range []string{"socket: " + protocol.TextRestart, protocol.TextNoFile} {
		see(text, Refused(protocol.RELOAD, protocol.CodeMisconfigured, text))
	}
	if len(said) != len(protocol.Reasons())+len(protocol.Codes())+22 {
		t.Errorf("%d pieces of advice", len(said))
	}
}

// TestAnExplanationSendsNobodyBackToItself: the reader is reading the output of
// explain already.
func TestAnExplanationSendsNobodyBackToItself(t *testing.T) {
	for _, r := range append(protocol.Reasons(), "new") {
		if text := Explained(r); text == "" || strings.Contains(text, "explain") || strings.HasSuffix(text, ":") || strings.HasSuffix(text, " ") {
			t.Errorf("%s: %q", r, text)
		}
	}
}

func TestWhatATokenLooksLikeIsNoReasonForWhatWasSigned(t *testing.T) {
	looks := credential.Finding{Is: "x"}
	for reason, kept := range map[protocol.Reason]bool{
		protocol.ReasonMalformed: true, protocol.ReasonBadSignature: true, protocol.ReasonWrongAudience: true, "new": true,
		protocol.ReasonExpired: false, protocol.ReasonRevoked: false,
		protocol.ReasonClassNotAllowed: false, protocol.ReasonInsufficientScope: false,
	} {
		if (Looks(reason, looks) == looks) != kept {
			t.Errorf("%s: %+v", reason, Looks(reason, looks))
		}
	}
}

// TestWhatTheUpstreamHasJudgedIsNotSentThereAgain: its form is right.
func TestWhatTheUpstreamHasJudgedIsNotSentThereAgain(t *testing.T) {
	looks, found := credential.Look(strings.Repeat("aB3", 12))
	if !found || !looks.ForUpstream() {
		t.Fatalf("%+v", looks)
	}
	for _, reason := range protocol.Reasons() {
		if kept := Looks(reason, looks) == looks; kept != (reason == protocol.ReasonMalformed) {
			t.Errorf("%s: kept: %v", reason, kept)
		}
	}
}

// TestASocketThatDoesNotAnswer asks with a real client, so that the errors are
// real ones.
func TestASocketThatDoesNotAnswer(t *testing.T) {
	dir, err := os.MkdirTemp("", "na") // t.TempDir would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listen := func(name string, serve func(net.Conn)) string {
		path := filepath.Join(dir, name)
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		if serve != nil {
			go func() {
				for {
					nc, err := l.Accept()
					if err != nil {
						return
					}
					serve(nc)
				}
			}()
		}
		return path
	}
	silent := listen("silent", nil)
	closing := listen("closing", func(nc net.Conn) { _ = nc.Close() })
	other := listen("other", func(nc net.Conn) { fmt.Fprintln(nc, "220 mail.example.org") })
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(dir, "gone")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: gone, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		path string
		ctx  context.Context
		want string
	}{
		{filepath.Join(dir, "none"), t.Context(), "there is no socket: PATH is from --socket; see whether the service runs (systemctl status neonauthd), or name its socket with --socket"},
		{silent, t.Context(), "the socket is open and nobody answers: neonauthd is still starting (in a fleet it waits up to 2 seconds for the others), failed to start behind systemd's socket, or hangs: repeat the command, then systemctl status neonauthd, journalctl -u neonauthd -n 20"},
		{closing, t.Context(), "the daemon ended the connection: journalctl -u neonauthd -n 20 may tell why"},
		{other, t.Context(), "something else listens there, or a daemon of another version: PATH is from --socket; --socket names another"},
		{file, t.Context(), "this is no socket: PATH is from --socket; name the daemon's with --socket"},
		{gone, t.Context(), "nobody listens on the socket, so the daemon has ended: systemctl status neonauthd, journalctl -u neonauthd -n 20"},
		{"/" + strings.Repeat("x", 107), t.Context(), "PATH is from --socket; --socket names another"},
		{silent, canceled, "it was interrupted: repeat it"},
	} {
		ask := &client.Client{Socket: c.path, Timeout: time.Minute, Keep: -1}
		if c.path == silent {
			ask.Timeout = 100 * time.Millisecond
		}
		err := ask.Ping(c.ctx)
		_ = ask.Close()
		got := strings.ReplaceAll(NoAnswer(err, Socket{c.path, "from --socket", "--socket"}), c.path, "PATH")
		if err == nil || got != c.want {
			t.Errorf("%s: %v: %q, want %q", filepath.Base(c.path), err, got, c.want)
		}
	}
}

// TestAForbiddenSocketNamesItsGroup, or says why no group would help. Root may
// open any socket, so the test makes the error itself.
func TestAForbiddenSocketNamesItsGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	forbidden := fmt.Errorf("%w: %w", client.ErrUnreachable, fs.ErrPermission)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	says := func(want string) {
		t.Helper()
		if got := NoAnswer(forbidden, Socket{path, "the default", "--socket"}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	says("the socket has mode 0600, so only its owner may ask: use sudo, or see who may with ls -l " + path)
	if err := os.Chmod(path, 0o660); err != nil {
		t.Fatal(err)
	}
	const ofRoot = "the socket is for root and its group: use sudo, or give the socket to a group of its own (SocketGroup= in its unit, or start neonauthd with that group)"
	if me.Gid == "0" {
		says(ofRoot)
	} else {
		group, err := user.LookupGroupId(me.Gid)
		if err != nil {
			t.Fatal(err)
		}
		says(fmt.Sprintf("%s is in the group %s, and this session began before that: sign in anew, or newgrp %[2]s", me.Username, group.Name))
	}
	if err := os.Chown(path, -1, 54321); err == nil { // root only
		says("the socket is for the group 54321: usermod -aG 54321 " + me.Username + ", then sign in anew")
		if err := os.Chown(path, -1, 0); err != nil {
			t.Fatal(err)
		}
		says(ofRoot)
	} else if !errors.Is(err, fs.ErrPermission) {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "closed", "s")
	says("the folder " + filepath.Dir(path) + " cannot be entered by this user: see who may with ls -ld")
}
