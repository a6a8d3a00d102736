package fleet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

// works starts two hosts with these options and has them share everything.
func works(t *testing.T, o func(i int) Options) []*host {
	t.Helper()
	hosts := []*host{newHost(t, o(0)), newHost(t, o(1))}
	awaitAll(t, hosts)
	hosts[0].reaches(subject("u"), 2)
	if !hosts[1].inForce(subject("u")) {
		t.Fatal("it reaches the other host, and is not in force there")
	}
	hosts[0].share(askFor("p"), "profile")
	if a := hosts[1].claimed(askFor("p"), Have); string(a.Profile) != "profile" {
		t.Errorf("shared %q", a.Profile)
	}
	if all, worst := found(t, o(2)); worst != Fine {
		t.Errorf("checked:\n%s", all)
	}
	return hosts
}

func TestAFleetWorksOverAUnixSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	newServer(t, "--unixsocket", path)
	works(t, func(i int) Options { return options(t, i, "unix://"+path) })
}

func TestAFleetWorksAsAUserWhoMayDoNothingElse(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.must(append([]string{"ACL", "SETUSER", "neonauthd", "on", ">pw"}, strings.Fields(acl(t, "test"))...)...)
	s.must("ACL", "SETUSER", "default", "off")
	works(t, func(i int) Options {
		o := options(t, i, "redis://neonauthd@"+s.address())
		o.Password = "pw"
		return o
	})
}

// certificates writes a certificate for 127.0.0.1 and returns the authority
// that signed it.
func certificates(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	raw := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	secret := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(key))
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: raw}, "key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(must[*x509.Certificate](t)(x509.ParseCertificate(raw)))
	return pool
}

func TestAFleetWorksOverTLSWithItsOwnCA(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := certificates(t, dir)
	port := ports.Free(t)
	newServer(t, "--tls-port", port, "--tls-cert-file", filepath.Join(dir, "cert"), "--tls-key-file", filepath.Join(dir, "key"),
		"--tls-ca-cert-file", filepath.Join(dir, "cert"), "--tls-auth-clients", "no")
	with := func(ca *x509.CertPool, address string) func(int) Options {
		return func(i int) Options {
			o := options(t, i, "rediss://"+address)
			o.CA = ca
			return o
		}
	}
	works(t, with(pool, "127.0.0.1:"+port))
	for what, o := range map[string]Options{"another CA": with(certificates(t, t.TempDir()), "127.0.0.1:"+port)(3), "the system's": with(nil, "127.0.0.1:"+port)(3), "another name": with(pool, "localhost:"+port)(3)} {
		if all, worst := found(t, o); worst != Fault || !strings.Contains(all, "certificate is not trusted") {
			t.Errorf("%s:\n%s", what, all)
		}
	}
}

func TestAFleetWorksOnAClusterOfThree(t *testing.T) {
	t.Parallel()
	var nodes []*server
	for range 3 {
		nodes = append(nodes, newServer(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000"))
	}
	for i, n := range nodes {
		slots := [][2]string{{"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}}[i]
		n.must("CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1])
		n.must("CLUSTER", "SET-CONFIG-EPOCH", string(rune('1'+i)))
	}
	for _, n := range nodes[1:] {
		n.must("CLUSTER", "MEET", "127.0.0.1", nodes[0].port)
	}
	e2e.Until(t, "the cluster is whole", func() bool {
		for _, n := range nodes {
			info, _ := n.do("CLUSTER", "INFO").ToString()
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:3") {
				return false
			}
		}
		return true
	})
	works(t, func(i int) Options { return options(t, i, nodes[0].url(), nodes[1].url(), nodes[2].url()) })
}

// TestNothingIsLostWhenAReplicaTakesOver kills the master while sentinels watch.
func TestNothingIsLostWhenAReplicaTakesOver(t *testing.T) {
	t.Parallel()
	const password = "hunter2" // which the sentinels do not ask for
	master := newServer(t, "--requirepass", password, "--masterauth", password)
	replica := newServer(t, "--requirepass", password, "--masterauth", password, "--replicaof", "127.0.0.1 "+master.port, "--repl-diskless-sync-delay", "0")
	e2e.Until(t, "the replica follows", func() bool {
		replica.password = password
		info, _ := replica.do("INFO", "replication").ToString()
		return strings.Contains(info, "master_link_status:up")
	})
	master.password = password
	var urls []string
	for range 3 {
		urls = append(urls, newSentinel(t, master).url())
	}
	o := func(i int) Options {
		o := options(t, i, urls...)
		o.Sentinel, o.Password = "main", password
		return o
	}
	hosts := works(t, o)
	hosts[0].revokeHere(subject("late"))
	hosts[0].Tell(valuesOf(hosts[0].journal))
	master.kill() // the replica may have the mark, or not
	e2e.Until(t, "the replica is master", func() bool {
		info, _ := replica.do("INFO", "replication").ToString()
		return strings.Contains(info, "role:master")
	})
	awaitAll(t, hosts)
	e2e.Until(t, "both have everything", func() bool { return same(hosts) })
	hosts[1].reaches(subject("after"), 2)
	late := newHost(t, o(3))
	e2e.Until(t, "a new host hears", late.Connected)
	if !late.inForce(subject("late")) || !late.inForce(subject("u")) {
		t.Error("the new master has lost a revocation")
	}
}

// newSentinel starts one of three sentinels that watch a master.
func newSentinel(t *testing.T, master *server) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), port: ports.Free(t)}
	conf := filepath.Join(s.dir, "sentinel.conf")
	text := "port " + s.port + "\nbind 127.0.0.1\ndir " + s.dir + "\nsentinel monitor main 127.0.0.1 " + master.port +
		" 2\nsentinel auth-pass main " + master.password + "\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.run(redis(t), conf, "--sentinel")
	t.Cleanup(s.kill)
	return s
}
