module github.com/neonauthd/neonauthd

go 1.26.0

// What is imported, each with the reason for it.
require (
	github.com/VictoriaMetrics/metrics v1.44.0 // Prometheus text with three tiny dependencies
	github.com/anishathalye/porcupine v1.3.1 // tests: are histories of purges, and of revocations in other processes, linearizable
	github.com/cenkalti/backoff/v5 v5.0.3 // retry rhythm of key-set fetches, with Retry-After
	github.com/coreos/go-systemd/v22 v22.7.0 // inherited sockets, readiness, watchdog
	github.com/dgraph-io/ristretto/v2 v2.4.2 // the cache: admission by frequency, cost in bytes
	github.com/go-jose/go-jose/v4 v4.1.9 // tests: a second opinion on each signature
	github.com/go-json-experiment/json v1.27.2 // names told apart by case, duplicates refused; encoding/json does neither
	github.com/lestrrat-go/jwx/v2 v2.1.7 // key sets and signatures (jwk, jws, jwa)
	github.com/pelletier/go-toml/v2 v2.4.3 // configuration, with the place of each unknown key
	github.com/rogpeppe/go-internal v1.16.0 // tests: the programs as a person runs them, written as scripts
	github.com/spf13/cobra v1.10.2 // commands, flags and completions of the programs
	github.com/spf13/pflag v1.0.9 // cobra's flags: what is wrong with one, told apart from its value
	github.com/standard-webhooks/standard-webhooks/libraries v0.0.1 // the signatures of webhooks
	github.com/valkey-io/valkey-go v1.0.79 // Valkey and Redis, with deadlines that hold, clusters and sentinels
	go.uber.org/goleak v1.3.0 // tests: every goroutine has ended
	golang.org/x/crypto/x509roots/fallback v0.0.0-20261030153154-30a33513ff6d // authorities for images that hold nothing else
	golang.org/x/sys v0.49.0 // peer credentials, umask, access(2)
	golang.org/x/time v0.16.0 // token buckets for callers and upstreams
	pgregory.net/rapid v1.3.0 // tests: properties and state machines, with shrinking
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/decred/dcrd/dcrec/secp256k1/v4 v4.4.1 // indirect
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/goccy/go-json v0.10.6 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/lestrrat-go/blackmagic v1.0.4 // indirect
	github.com/lestrrat-go/httpcc v1.0.1 // indirect
	github.com/lestrrat-go/httprc v1.0.6 // indirect
	github.com/lestrrat-go/iter v1.0.2 // indirect
	github.com/lestrrat-go/option v1.0.1 // indirect
	github.com/segmentio/asm v1.2.1 // indirect
	github.com/valyala/fastrand v1.1.0 // indirect
	github.com/valyala/histogram v1.2.0 // indirect
	golang.org/x/crypto v0.53.0 // indirect
	golang.org/x/tools v0.26.0 // indirect
)
