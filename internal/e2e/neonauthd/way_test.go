package neonauthd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// upstreamName is a host that only our proxy can reach.
const upstreamName = "auth.example.net"

// ownAuthority is a certificate authority of this test alone.
type ownAuthority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         string
}

func newAuthority(t *testing.T) *ownAuthority {
	t.Helper()
	return authorityUntil(t, time.Now().Add(24*time.Hour))
}

func authorityUntil(t *testing.T, end time.Time) *ownAuthority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	e2e.Must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "neonauthd test"}, NotBefore: end.Add(-48 * time.Hour), NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	e2e.Must(t, err)
	a := &ownAuthority{key: key, pem: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
	a.certificate, err = x509.ParseCertificate(der)
	e2e.Must(t, err)
	return a
}

// sign makes a certificate for a host.
func (a *ownAuthority) sign(t *testing.T, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	e2e.Must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	e2e.Must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// behindProxy returns an upstream at https://auth.example.net, with a certificate of its
// own authority, and a proxy that can reach it.
func behindProxy(t *testing.T) (*e2e.Upstream, *ownAuthority, *e2e.Proxy) {
	t.Helper()
	u := e2e.NewUpstream(t, standin.Options{BaseURL: "https://" + upstreamName})
	ours := newAuthority(t)
	s := httptest.NewUnstartedServer(u.Standin)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // a check that does not trust this authority hangs up
	s.TLS = &tls.Config{Certificates: []tls.Certificate{ours.sign(t, upstreamName)}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	p := e2e.NewProxy(t, nil)
	p.Leads[upstreamName+":443"] = s.Listener.Addr().String()
	return u, ours, p
}

// checked returns the output and the exit status of --check for a folder's configuration.
func checked(t *testing.T, f *e2e.Folder, extra ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), e2e.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, e2e.Program("neonauthd"), "--config", f.Config(), "--check")
	cmd.Env = e2e.Environment(extra...)
	text, _ := cmd.CombinedOutput()
	return string(text), cmd.ProcessState.ExitCode()
}

// proxyPassword is a password that no output may show; proxyEncoded is the user and the
// password in base64.
const (
	proxyPassword = "canary-0123456789"
	proxyEncoded  = "YWRhOmNhbmFyeS0wMTIzNDU2Nzg5"
)

// proxied is a daemon whose upstream is behind a proxy and has an authority of its own.
// The proxy and the authority are configured in files.
type proxied struct {
	*e2e.Folder
	upstream *e2e.Upstream
	ours     *ownAuthority
	proxy    *e2e.Proxy
	process  *e2e.Process
	token    string
	written  string // the output of --check
}

func newProxied(t *testing.T) *proxied {
	t.Helper()
	d := &proxied{Folder: e2e.NewFolder(t)}
	d.upstream, d.ours, d.proxy = behindProxy(t)
	d.Write(t, "ca.pem", d.ours.pem)
	d.through(t, d.proxy.Address())
	d.process = e2e.Serve(t, d.Folder, e2e.Settings{Tables: []string{d.upstream.Project(t, d.Folder, standin.Stack, `ca = "./ca.pem"`, `upstream_proxy = "./proxy"`)}})
	d.upstream.SelfTested(t)
	d.token, _ = d.upstream.User("Ada")
	e2e.Call(t, d.Socket()).Expect(t, "PROFILE "+d.token, `OK level=profile .*"display_name":"Ada".*`)
	return d
}

// through writes the file with the proxy's address.
func (d *proxied) through(t *testing.T, address string) {
	t.Helper()
	d.Write(t, "proxy", "http://ada:"+proxyPassword+"@"+address+"\n")
}

// check requires that the output of --check contains each text; wrong says whether it
// must fail.
func (d *proxied) check(t *testing.T, wrong bool, want ...string) {
	t.Helper()
	out, code := checked(t, d.Folder)
	d.written += out
	for _, text := range want {
		if (code != 0) != wrong || !strings.Contains(out, text) {
			t.Errorf("status %d, without %q:\n%s", code, text, out)
		}
	}
}

// end stops the daemon. Its log must contain these texts, and no secret.
func (d *proxied) end(t *testing.T, said ...string) {
	t.Helper()
	d.process.Stop(t)
	all := d.written + d.process.Written()
	for _, text := range said {
		if !strings.Contains(d.process.Written(), text) {
			t.Errorf("without %q:\n%s", text, d.process.Written())
		}
	}
	if strings.Contains(all, proxyPassword) || strings.Contains(all, "hunter2") || strings.Contains(all, proxyEncoded) {
		t.Errorf("the proxy's password is shown:\n%s", all)
	}
}

// TestAnUpstreamBehindAProxy: requests for keys and profiles and the test of the server
// key all go through the proxy, and every failure on the way is reported.
func TestAnUpstreamBehindAProxy(t *testing.T) {
	t.Parallel()
	d := newProxied(t)
	for _, asked := range d.proxy.Asked() {
		if asked != "CONNECT "+upstreamName+":443 Basic "+proxyEncoded {
			t.Errorf("the proxy was asked %s", asked)
		}
	}
	admin := e2e.Call(t, d.AdminSocket())
	admin.Expect(t, "STATS", `.*"proxy":"http://`+d.proxy.Address()+`".*"plain_http":false.*`)
	d.check(t, false, "proxy       http://"+d.proxy.Address()+" (upstream_proxy)", "ok          key set", "ok          project id and server key")
	for answer, want := range map[string]string{
		"HTTP/1.1 407 No\r\n\r\n":                         "misconfigured: the proxy wants user and password, or others (407)",
		"HTTP/1.1 403 No\r\n\r\n":                         "misconfigured: the proxy refuses to connect to the upstream (403)",
		"HTTP/1.1 502 No\r\nX: canary-0123456789\r\n\r\n": "unavailable: the proxy does not reach the upstream (502)",
	} {
		d.proxy.SetAnswer(answer)
		d.check(t, true, want)
	}
	d.proxy.SetAnswer("")

	// A reload compares the content of the file, not its name.
	d.through(t, "127.0.0.1:1")
	d.check(t, true, "unavailable: the proxy cannot be reached: connection refused")
	admin.Expect(t, "RELOAD", "OK")
	admin.Expect(t, "STATS", `.*"proxy":"http://127.0.0.1:1".*`)
	e2e.Call(t, d.Socket()).Expect(t, "PROFILE max-age=0 "+d.token, "ERR unavailable .*")
	admin.Expect(t, "EXPLAIN "+d.token, `.*it could not be had a moment ago: fetch profile: unavailable: the proxy cannot be reached: connection refused.*`)
	d.Write(t, "proxy", "hunter2")
	admin.Expect(t, "RELOAD", "ERR misconfigured .*upstream_proxy: .*proxy: must be .*")
	d.end(t, "the proxy cannot be reached")
}

// TestAnUpstreamWithAnAuthorityOfItsOwn: only certificates of this authority are
// accepted. A file that cannot be used changes nothing at a reload, and prevents a start.
func TestAnUpstreamWithAnAuthorityOfItsOwn(t *testing.T) {
	t.Parallel()
	d := newProxied(t)
	admin := e2e.Call(t, d.AdminSocket())
	d.check(t, false, "ca          ./ca.pem, in place of the system's: 1 certificate(s)")
	d.Write(t, "ca.pem", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n")
	admin.Expect(t, "RELOAD", "ERR misconfigured .*holds a private key.*")
	e2e.Call(t, d.Socket()).Expect(t, "PROFILE max-age=0 "+d.token, "OK .*")
	d.Write(t, "ca.pem", newAuthority(t).pem)
	admin.Expect(t, "RELOAD", "OK")
	// Keys that were fetched under the former authority are not trusted.
	e2e.Call(t, d.Socket()).Expect(t, "VERIFY "+d.token, "ERR keys-pending .*")
	d.check(t, true, "the certificate is signed by an unknown authority, through the proxy")
	d.end(t, "holds a private key")
	d.process = d.Start(t)
	e2e.Call(t, d.Socket()).Expect(t, "VERIFY "+d.token, "ERR keys-pending .*")
	d.end(t, "of which not all are trusted now")

	over := authorityUntil(t, time.Now().Add(-time.Hour))
	d.Write(t, "ca.pem", d.ours.pem+over.pem)
	d.check(t, false, "warn        "+d.Path("ca.pem")+": certificate 2 has expired on ")
	d.Write(t, "ca.pem", over.pem)
	d.check(t, true, "WRONG       ca: no certificate in it is valid now")
	d.process = d.Start(t)
	d.end(t, "level=WARN", "certificate 1 has expired")
	d.Write(t, "ca.pem", "")
	if p := d.Launch(t); p.AwaitEnd(t) != 78 || !strings.Contains(p.Written(), "holds no certificate in PEM") {
		t.Errorf("a start without the authority:\n%s", p.Written())
	}
}

// TestTheEnvironmentNamesAProxy for upstreams at https, and the hosts that are reached
// directly.
func TestTheEnvironmentNamesAProxy(t *testing.T) {
	t.Parallel()
	u, ours, proxy := behindProxy(t)
	f := e2e.NewFolder(t)
	f.Write(t, "ca.pem", ours.pem)
	tables := []string{u.Project(t, f, standin.Stack, `ca = "./ca.pem"`), u.Project(t, f, standin.OIDC, `ca = "./ca.pem"`)}
	f.Configure(t, e2e.Settings{Tables: tables})
	through := func(extra ...string) string { return extra[0] + "http://ada:canary-0123456789@" + proxy.Address() }
	p := f.LaunchWith(t, func(cmd *exec.Cmd) {
		cmd.Env = e2e.Environment(through("HTTPS_PROXY="), "NO_PROXY=other.example.net,10.0.0.0/8", "HTTP_PROXY=http://127.0.0.1:1", "ALL_PROXY=http://127.0.0.1:1")
	})
	p.Await(t, "READY=1")
	u.SelfTested(t)
	token, _ := u.User("Ada")
	c := e2e.Call(t, f.Socket())
	c.Expect(t, "PROFILE "+token, `OK level=profile .*`)
	c.Expect(t, "PROFILE project=oidc "+u.OIDCToken(standin.TokenSpec{Subject: u.AddUser(standin.User{Name: "Bob"}).ID}), `OK level=profile .*"name":"Bob".*`)
	if len(proxy.Asked()) == 0 {
		t.Error("the proxy was not asked")
	}
	out, code := checked(t, f, through("https_proxy="))
	if code != 0 || !strings.Contains(out, "proxy       http://"+proxy.Address()+" (HTTPS_PROXY)") || strings.Contains(out, "canary") {
		t.Errorf("status %d:\n%s", code, out)
	}
	for variables, want := range map[string]string{
		"NO_PROXY=" + upstreamName:   "host name",
		"NO_PROXY=.example.net":      "host name",
		"NO_PROXY=*":                 "host name",
		"NO_PROXY=other.example.net": "ok          key set",
	} {
		out, _ := checked(t, f, through("HTTPS_PROXY="), variables)
		if !strings.Contains(out, want) || strings.Contains(out, "(HTTPS_PROXY)") != (want != "host name") {
			t.Errorf("%s:\n%s", variables, out)
		}
	}
	f.Configure(t, e2e.Settings{Tables: []string{u.Project(t, f, standin.Stack, `ca = "./ca.pem"`, `upstream_proxy = "none"`)}})
	if out, _ := checked(t, f, through("HTTPS_PROXY=")); strings.Contains(out, "HTTPS_PROXY") || !strings.Contains(out, "host name") {
		t.Errorf("none, in spite of the environment:\n%s", out)
	}
	if out, code := checked(t, f, "HTTPS_PROXY=socks5://ada:canary-0123456789@127.0.0.1:1080"); code != 78 || !strings.Contains(out, "HTTPS_PROXY must begin with http") || strings.Contains(out, "canary") {
		t.Errorf("status %d:\n%s", code, out)
	}
}

// privateAddress returns an address of this host in a private network; "" if it has none.
func privateAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	e2e.Must(t, err)
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsPrivate() {
			return prefix.Addr().String()
		}
	}
	return ""
}

// TestPlainHTTPStaysInAPrivateNetwork, and status, log, statistics and --check warn of
// it.
func TestPlainHTTPStaysInAPrivateNetwork(t *testing.T) {
	t.Parallel()
	f := e2e.NewFolder(t)
	for _, url := range []string{"http://8.8.8.8", "http://169.254.169.254", "http://[2001:db8::1]:80"} {
		f.Configure(t, e2e.Settings{Tables: []string{"[[project]]\nname = \"main\"\npreset = \"oidc\"\naudiences = [\"x\"]\ninsecure_http = true\nbase_url = \"" + url + "\""}})
		if out, code := checked(t, f); code != 78 || !strings.Contains(out, "public address") {
			t.Errorf("%s: status %d:\n%s", url, code, out)
		}
	}
	address := privateAddress(t)
	if address == "" {
		t.Log("this host has no address in a private network: the rest is not tried")
		return
	}
	u := &e2e.Upstream{Standin: standin.New(standin.Options{})}
	ln, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	e2e.Must(t, err)
	u.SetBaseURL("http://" + ln.Addr().String())
	e2e.Must(t, ln.Close())
	u.Open(t, ln.Addr().String())
	f.Configure(t, e2e.Settings{Tables: []string{u.Project(t, f, standin.Stack)}})
	if out, code := checked(t, f); code != 78 || !strings.Contains(out, "insecure_http = true") {
		t.Errorf("without the key: status %d:\n%s", code, out)
	}
	f.Configure(t, e2e.Settings{Tables: []string{u.Project(t, f, standin.Stack, "insecure_http = true")}})
	for range 2 { // at each start
		p := f.Launch(t)
		if state := p.Await(t, "READY=1"); !strings.Contains(state, "over plain http (insecure_http): main") {
			t.Errorf("the status does not say it: %s", state)
		}
		u.SelfTested(t)
		token, _ := u.User("Ada")
		e2e.Call(t, f.Socket()).Expect(t, "PROFILE "+token, "OK level=profile .*")
		e2e.Call(t, f.AdminSocket()).Expect(t, "STATS", `.*"plain_http":true.*`)
		p.Stop(t)
		if !strings.Contains(p.Written(), "level=WARN") || !strings.Contains(p.Written(), "PLAIN HTTP") {
			t.Errorf("it is not said:\n%s", p.Written())
		}
	}
	out, code := checked(t, f)
	if code != 0 || !strings.Contains(out, "warn        PLAIN HTTP (insecure_http)") {
		t.Errorf("status %d:\n%s", code, out)
	}
}
