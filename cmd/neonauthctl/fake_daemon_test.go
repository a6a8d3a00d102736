package main

import (
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/daemontest"
	"github.com/neonauthd/neonauthd/protocol"
)

// canary is part of every token, so no output may contain it.
const canary = "canary"

// tokens returns the tokens that the scripted daemon knows, by the names of
// their files.
func tokens() map[string]string {
	token := func(word string) string {
		return canary + "-" + word + "." + canary + ".signature0123456789" + canary
	}
	return map[string]string{
		"good": token("good"), "expired": token("expired"), "down": token("down"), "stale": token("stale"), "team": token("team"), "older": token("older"),
		"hostile": token("hostile"), "garbled": token("garbled"), "blank": token("good") + " x", "shell": " \r\n" + token("good") + " \r\n\r\n",
	}
}

// fakeDaemon answers both sockets from a table.
type fakeDaemon struct {
	socket, admin string
	listeners     []net.Listener
}

func startDaemon(dir string) (*fakeDaemon, error) {
	d := &fakeDaemon{socket: filepath.Join(dir, "d.sock"), admin: filepath.Join(dir, "a.sock")}
	for path, answer := range map[string]func(*protocol.Request) string{d.socket: answerLookup, d.admin: answerAdmin} {
		l, err := net.Listen("unix", path)
		if err != nil {
			d.stop()
			return nil, err
		}
		d.listeners = append(d.listeners, l)
		go func() {
			for {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				go daemontest.Answer(nc, answer)
			}
		}()
	}
	return d, nil
}

func (d *fakeDaemon) stop() {
	for _, l := range d.listeners {
		_ = l.Close()
	}
}

func answerLookup(r *protocol.Request) string {
	const facts = " project=main sub=user-1 principal=user age=3 ttl=57 exp=4102444800 source=cache "
	word, _, _ := strings.Cut(strings.TrimPrefix(string(r.Args[0]), canary+"-"), ".")
	profile := string(r.Verb) == "PROFILE"
	_, fallback := r.Fields.Get("fallback")
	age, asked := r.Fields.Get("max-age")
	switch {
	case string(r.Verb) == "PING":
		return "OK"
	case string(r.Verb) == "HELLO":
		return "OK version=1.2.3 protocol=1 max-line=16384 in-flight=256 projects=main,other"
	case string(r.Verb) == "LOGOUT":
		project, _ := r.Fields.Get("project")
		return map[string]string{
			"good": "OK ended=session changed=1", "stale": "OK ended=subject changed=0", "expired": "NO expired", "hostile": "NO wrong-audience", "garbled": "OK",
		}[word+string(project)] + map[bool]string{true: "ERR misconfigured nothing is configured"}[word == "down" || len(project) > 0]
	case strings.HasPrefix(string(r.Args[0]), "!"):
		return "NO malformed"
	case word == "good" && !strings.Contains(string(r.Args[0]), ".signature"):
		return "NO bad-signature"
	case word == "good" && asked:
		return "OK level=profile project=main sub=user-1 age=" + string(age) + ` ttl=0 exp=4102444800 source=upstream {"id":"user-1"}`
	case word == "good" && profile:
		return "OK level=profile" + facts + `{"id":"user-1","display_name":"A \u0007 B"}`
	case word == "good":
		if project, ok := r.Fields.Get("project"); ok && string(project) != "main" {
			return "ERR unknown-project"
		}
		return "OK level=claims" + facts + `{"sub":"user-1","n":12345678901234567890}`
	case word == "stale" && fallback:
		return "OK level=claims" + facts + `{"sub":"user-1"}`
	case word == "team":
		return "OK level=" + map[bool]string{true: "profile", false: "claims"}[profile] + strings.ReplaceAll(strings.ReplaceAll(facts, "user-1", "team-1"), "=user ", "=team ") + `{"id":"k"}`
	case word == "older":
		return "OK level=claims" + strings.ReplaceAll(facts, " principal=user", "") + `{"sub":"user-1"}`
	case word == "hostile":
		return "OK level=claims" + facts + "{\"name\":\"\u202e\u009b31mred\u007f\"}"
	case word == "garbled":
		return "OK"
	case word == "expired":
		return "NO expired"
	}
	return "ERR unavailable retry-after=5 upstream says 503"
}

func answerAdmin(r *protocol.Request) string {
	args := make([]string, r.NArgs)
	for i := range args {
		args[i] = string(r.Args[i])
	}
	fields := make([]string, r.Fields.Len())
	for i := range fields {
		name, value := r.Fields.At(i)
		fields[i] = string(name) + "=" + string(value)
	}
	request := strings.Join(append(append([]string{string(r.Verb)}, fields...), args...), " ")
	good := tokens()["good"]
	table := map[string]string{
		"STATS": `OK {"version":"1.2.3","started":1764000000,"uptime":90,"outcomes":{"accepted":3,"rejected":2,"unknown":1},` +
			`"projects":[{"name":"main","keys":2,"upstream":{"calls":7,"circuit":"closed"}},{"name":"other","keys":1,"upstream":{"calls":0,"circuit":"open"}}]}`,
		"KEYS":                                   `OK {"projects":[{"name":"main","fetched":1764000000,"source":"upstream","keys":[{"kid":"k1","alg":"ES256"},{"kid":"k2","alg":"RS256"}],"skipped":[]}]}`,
		"KEYS project=other":                     `OK {"projects":[{"name":"other","fetched":0,"source":"none","keys":[],"skipped":[]}]}`,
		"EXPLAIN " + good:                        `OK {"outcome":"accepted","reason":"","checks":[{"check":"shape","result":"pass","detail":"three segments"},{"check":"exp","result":"pass","detail":"in 57 s"}],"http":200}`,
		"EXPLAIN " + tokens()["expired"]:         `OK {"outcome":"rejected","reason":"expired","checks":[{"check":"issuer","result":"pass","detail":"one","is":"here","wants":"here"},{"check":"exp","result":"fail","detail":"past","is":"3 s ago","wants":"later"}],"http":401}`,
		"EXPLAIN " + tokens()["stale"]:           `OK {"outcome":"unknown","reason":"keys-pending","checks":[],"http":503,"same_keys":{"outcome":"rejected","reason":"bad-signature","http":401}}`,
		"EXPLAIN " + tokens()["down"]:            `OK {"outcome":"unknown","reason":"keys-pending","checks":[],"http":503}`,
		"REVOKE token " + good:                   "OK changed=1 entries=1",
		"REVOKE subject a%20b":                   "OK changed=0 entries=4",
		"REVOKE key a=b":                         "OK changed=1 entries=2",
		"REVOKE session full":                    "ERR busy no room",
		"REVOKE session disk":                    "ERR unavailable " + protocol.TextNotSaved,
		"REVOKE project=other session s1":        "OK changed=1 entries=9",
		"UNREVOKE token " + good:                 "OK changed=1 entries=0",
		"REVOKE reason=laptop%20lost session s2": "OK changed=1 entries=3",
		"REVOKE key gone":                        "OK changed=1 entries=2 known=0",
		"REVOCATIONS":                            `OK {"entries":3,"revocations":[{"project":"main","kind":"key","value":"k","since":0,"until":0,"reason":""}],"more":"[\"main\"]"}`,
		"REVOCATIONS after=[\"main\"]":           `OK {"entries":3,"revocations":[{"project":"main","kind":"session","value":"s 2","since":1764000000,"until":1766592000,"uid":0,"reason":"laptop\u0007 lost"},{"project":"main","kind":"subject","value":"u","since":1764000000,"until":1766592000,"uid":4000000000,"reason":"left"}],"more":""}`,
		"REVOCATIONS project=other":              `OK {"entries":3,"revocations":[],"more":""}`,
		"UNREVOKE session never":                 "OK changed=0 entries=0",
		"PURGE all":                              "OK entries=12",
		"PURGE subject user-1":                   "OK entries=2",
		"PURGE subject disk":                     "ERR unavailable " + protocol.TextNotSaved,
		"PURGE token " + good:                    "OK entries=1",
		"RELOAD":                                 "ERR misconfigured neonauthd.toml:3:1: unknown key \"colour\"",
		"LEVEL":                                  "OK level=info",
		"LEVEL debug":                            "OK level=debug",
	}
	if reply, ok := table[request]; ok {
		return reply
	}
	return "ERR bad-request"
}

// exitCode returns the exit code in an error of os/exec.
func exitCode(err error) string {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return strconv.Itoa(e.ExitCode())
	}
	return fmt.Sprint(err)
}
