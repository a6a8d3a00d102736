package resolve

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// hitToken returns a token of the size of Stack Auth's tokens. The resolver
// remembers it.
func hitToken(b *testing.B, k *harness) []byte {
	b.Helper()
	token := k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Size: 850})
	if v := k.ask(k.project("stack"), token); v.Status() != protocol.OK {
		b.Fatal("not accepted")
	}
	b.SetBytes(int64(len(token)))
	return []byte(token)
}

// BenchmarkRecall measures a hit without its line and reply. In the same run it
// measures the digest, which is the least that a hit can cost.
func BenchmarkRecall(b *testing.B) {
	k := newHarness(b, func(c *config.Config) { c.Cache.MaxBytes = 64 << 20 })
	k.resolver.now = time.Now
	token := hitToken(b, k)
	l := &Lookup{Project: k.project("stack"), Token: token, Level: LevelClaims, MaxAge: -1}
	b.Run("sha256", func(b *testing.B) {
		var sum [32]byte
		b.ReportAllocs()
		for b.Loop() {
			sum = sha256.Sum256(token)
		}
		_ = sum
	})
	recall := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if v, ok := k.resolver.Recall(l); !ok || v.Status() != protocol.OK {
				b.Fatal("not a hit")
			}
		}
	}
	b.Run("recall", recall)
	k.revoke("session", "somebody else's", true)
	k.revoke("subject", "somebody else", true)
	k.revoke("key", "another", true)
	k.revoke("token", "another", true)
	b.Run("recall with revocations", recall)
}

// BenchmarkMiss measures a verification with all that a lookup does around it.
func BenchmarkMiss(b *testing.B) {
	k := newHarness(b, nil)
	token := hitToken(b, k)
	l := &Lookup{Project: k.project("stack"), Token: token, Level: LevelClaims, MaxAge: -1}
	b.ReportAllocs()
	for b.Loop() {
		k.resolver.purges.Purge(DigestOf(token))
		if v, recalled := k.askFully(l); recalled || v.Status() != protocol.OK {
			b.Fatal("not a miss")
		}
	}
}
