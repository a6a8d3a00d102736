package daemon

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/protocol"
)

// explanation is EXPLAIN's answer; protocol.md describes its members.
type explanation struct {
	Outcome  string        `json:"outcome"`
	Reason   string        `json:"reason"`
	Project  string        `json:"project"`
	Digest   string        `json:"digest"`
	Now      int64         `json:"now"`
	Checks   []check       `json:"checks"`
	Key      *keyReport    `json:"key,omitempty"`
	Cache    cacheReport   `json:"cache"`
	Upstream upstreamStats `json:"upstream"`
	HTTP     int           `json:"http"`
	SameKeys *sameKeys     `json:"same_keys,omitempty"`
}

// sameKeys is the answer to a lookup that fetches the key set first and finds it unchanged.
type sameKeys struct {
	Outcome  string `json:"outcome"`
	Reason   string `json:"reason"`
	HTTP     int    `json:"http"`
	Failures int    `json:"failures"` // fetches that failed in a row: while they do, the lookup has no such answer
}

type check struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Detail string `json:"detail"`
	Is     string `json:"is,omitempty"`
	Wants  string `json:"wants,omitempty"`
}

type cacheReport struct {
	Verdict string `json:"verdict"`
	Profile string `json:"profile"`
	Age     *int64 `json:"age,omitempty"`
}

// explain goes through every check of one token. It asks nobody and changes
// nothing.
func (a *admin) explain(r *protocol.Request) (protocol.Reply, *serve.Refusal) {
	p, _, refused := a.projectOf(r)
	if refused != nil {
		return protocol.Reply{}, refused
	}
	if r.NArgs != 1 {
		return protocol.Reply{}, serve.BadRequest("takes one token as its argument")
	}
	now, hearing := a.daemon.opts.Now(), a.daemon.fleet.Hearing()
	is := a.daemon.resolver.Explain(&resolve.Lookup{Project: p, Token: r.Args[0]})
	if hearing.InFleet {
		explainHearing(hearing, &is)
	}
	x := explanation{
		Outcome:  is.Outcome.Status().Name(),
		Reason:   is.Outcome.Word(),
		Project:  p.Name(),
		Digest:   is.Digest,
		Now:      now.Unix(),
		Cache:    cacheReport{Verdict: is.Cache.Verdict, Profile: is.Cache.Profile},
		Upstream: upstreamReport(p.State(now), now),
		HTTP:     is.Outcome.HTTPStatus(),
	}
	if is.SameKeys != nil {
		x.SameKeys = &sameKeys{is.SameKeys.Status().Name(), is.SameKeys.Word(), is.SameKeys.HTTPStatus(), p.State(now).Keys.FailuresInARow}
	}
	for _, c := range is.Checks {
		x.Checks = append(x.Checks, check{c.Name, c.Result.String(), c.Detail, c.Is, c.Wants})
	}
	if is.Key != nil {
		x.Key = reportKey(is.Key)
	}
	if is.Cache.Verdict == "hit" {
		age := int64(is.Cache.Age / time.Second)
		x.Cache.Age = &age
	}
	return object(x)
}

// explainHearing adds how this host hears its fleet. A host that has not heard it for
// too long withholds acceptances, but not rejections.
func explainHearing(h membership.Hearing, is *resolve.Explanation) {
	c := resolve.Check{Name: "fleet", Result: keyset.Passed, Detail: "this host hears its fleet"}
	if h.Blind {
		c.Detail = "this host has not heard its fleet for " + h.Age.Truncate(time.Second).String() + ": what other hosts have revoked since is not in force here"
	}
	switch {
	case !h.Withholds(0):
	case is.Outcome.Status() == protocol.OK:
		c.Result, is.Outcome = keyset.Failed, resolve.Unheard().Outcome
		c.Detail += ", so it accepts nothing (when_blind)"
	default:
		c.Result = keyset.NotReached
		c.Detail += ", so it would not accept either (when_blind)"
	}
	is.Checks = append(is.Checks, c)
}
