package fleet

import (
	"context"
	"crypto/sha1"
	_ "embed" // the scripts
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/valkey-io/valkey-go"
)

// The scripts, each of which the engine runs as one step.
var (
	//go:embed announce.lua
	announceText string
	//go:embed hosts.lua
	hostsText string
	//go:embed page.lua
	pageText string
	//go:embed drop.lua
	dropText string
	//go:embed claim.lua
	claimText string
	//go:embed finish.lua
	finishText string
)

// script is a text and the name under which the engine remembers it.
type script struct{ text, sum string }

// scripts are all there are.
type scripts struct{ announce, hosts, page, drop, claim, finish script }

func loadScripts() scripts {
	load := func(text string) script { return script{text, sha1Hex(text)} }
	return scripts{
		load(announceText), load(hostsText), load(pageText), load(dropText), load(claimText), load(finishText),
	}
}

// sha1Hex is what redis.sha1hex gives. It serves to name and compare texts; no
// secret and no decision depends on it.
func sha1Hex(text string) string { return hex.EncodeToString([]byte(sha1Sum(text))) }

// sha1Sum is sha1Hex as 20 bytes.
func sha1Sum(text string) string {
	sum := sha1.Sum([]byte(text))
	return string(sum[:])
}

// caller is a connection, or a client that has connections.
type caller interface {
	Do(ctx context.Context, cmd valkey.Completed) valkey.ValkeyResult
	B() valkey.Builder
}

// run has the engine run a script by its name, and by its text where the engine
// does not remember it.
func run(ctx context.Context, c caller, s script, keys, args []string) ([]string, error) {
	count := int64(len(keys))
	result := c.Do(ctx, c.B().Evalsha().Sha1(s.sum).Numkeys(count).Key(keys...).Arg(args...).Build())
	if said, ok := valkey.IsValkeyErr(result.Error()); ok && said.IsNoScript() {
		result = c.Do(ctx, c.B().Eval().Script(s.text).Numkeys(count).Key(keys...).Arg(args...).Build())
	}
	return texts(result)
}

// texts reads an array of strings; a number, which some scripts return alone, is
// none.
func texts(result valkey.ValkeyResult) ([]string, error) {
	message, err := result.ToMessage()
	if err != nil {
		return nil, explain(err)
	}
	if message.IsInt64() {
		return nil, nil
	}
	all, err := message.AsStrSlice()
	return all, explain(err)
}

// digits writes a number so that texts have the order of the numbers.
func digits(n uint64) string {
	text := strconv.FormatUint(n, 10)
	return strings.Repeat("0", 20-len(text)) + text
}
