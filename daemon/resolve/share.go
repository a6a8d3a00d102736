package resolve

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/resolve/cachekey"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/pause"
	"github.com/neonauthd/neonauthd/protocol"
)

// Fleet is what the hosts of a fleet share about profiles. A host that has fetched a
// profile gives it to the others, one host fetches at a time, and the upstream's
// budget and pauses hold for all hosts together.
type Fleet interface {
	// Claim, Finish and Shared are the methods of fleet.Fleet.
	Claim(context.Context, fleet.Ask) fleet.Answer
	Finish(context.Context, fleet.Flight, fleet.Result)
	Shared(context.Context, fleet.Ask, time.Duration) (profile []byte, age time.Duration, ok bool)
	// Denied tells the other hosts that the upstream denies a user: profiles that were
	// fetched before do not count any more. It does not wait.
	Denied(project, subject string)
}

// share is one fetch as the fleet sees it. The zero value is for a host without a
// fleet.
type share struct {
	fleet  Fleet
	ask    fleet.Ask
	flight fleet.Flight
}

// introspectionOf is appended to a project's name to name the project's introspection.
// A project's name cannot have a "/".
const introspectionOf = "/introspection"

// share returns what the fleet is asked before a fetch, for a verified token with
// claims e or for an opaque credential. The subject of an opaque credential is not
// known before the upstream answers, so no other host is told of that fetch.
func (s *profiles) share(l *Lookup, e *entry, priority upstream.Priority) share {
	if s.fleet == nil {
		return share{}
	}
	f, ok := s.fleet()
	if !ok {
		return share{}
	}
	config := l.Project.config()
	ask := fleet.Ask{
		Project:    config.Name,
		Origin:     l.Project.profileOrigin(),
		MaxAge:     l.freshness() - time.Millisecond,
		Keep:       time.Duration(config.ProfileFresh) + time.Duration(config.ProfileStale),
		Timeout:    time.Duration(config.UpstreamTimeout),
		Rate:       config.UpstreamRate,
		Background: priority != upstream.Interactive,
		Private:    e == nil || s.purgedItself(l),
	}
	if e != nil {
		ask.Subject, ask.Class = e.subject, e.class.String()
		ask.Purges = []fleet.Name{
			{Kind: string(revoke.KindPurgeAll)},
			{Kind: string(revoke.KindPurgeSubject), Project: config.Name, Value: e.subject},
		}
	}
	if l.introspects(e) { // introspection has a budget of its own, and its result is for this token alone
		ask.Project, ask.Class = ask.Project+introspectionOf, hex.EncodeToString(l.digest[:])
		ask.Rate, ask.Burst = l.Project.upstream.Budget()
	}
	if ask.Background { // so that the answer is younger than the profile that this host has
		ask.MaxAge = min(ask.MaxAge, time.Duration(config.ProfileFresh)/2)
	}
	return share{fleet: f, ask: ask}
}

// profileOrigin returns a digest of everything that decides what a profile says, or
// whether there is one. A project of the same name on another host, or before a
// reload, may have another upstream, where the same subject may be somebody else.
func (p *Project) profileOrigin() string {
	c := p.config()
	client := ""
	if c.Introspection != nil {
		client = c.Introspection.ClientID
	}
	allow := slices.Sorted(slices.Values(c.Allow))
	name := cachekey.Of("profile origin", c.Preset, c.BaseURL, c.ProjectID, c.UserinfoURL, c.IntrospectionURL, client,
		strings.Join(allow, ","), strings.Join(p.origin.Authorities, ","), strconv.FormatBool(p.origin.PlainHTTP))
	return hex.EncodeToString(name[:])
}

// purgedItself reports whether the credential was purged on any host within the time
// that purges are remembered. Then a profile that was fetched earlier may rest on the
// purged credential.
func (s *profiles) purgedItself(l *Lookup) bool {
	return s.revocations.Purged(purgeMark(l.purged()))
}

// claim asks the fleet whether this host has to call the upstream. If not, have is the
// profile that another host has fetched, or failure says why no host may call now. A
// lookup waits for the fleet's budget for at most as long as for the host's own
// budget.
func (sh *share) claim(ctx context.Context) (have *fleet.Answer, failure *Verdict) {
	if sh.fleet == nil {
		return nil, nil
	}
	most := upstream.MaxWait(sh.ask.Timeout)
	for {
		answer := sh.fleet.Claim(ctx, sh.ask)
		switch answer.Decision {
		case fleet.Go:
			sh.flight = answer.Flight
			return nil, nil
		case fleet.Have:
			return &answer, nil
		case fleet.Budget:
			after := max(answer.After, leastPause)
			if !sh.ask.Background && after <= most && pause.For(ctx, after) {
				most -= after
				continue
			}
		case fleet.Pause:
		}
		v := unknown(protocol.CodeUnavailable, max(time.Second, answer.After))
		return nil, &v
	}
}

// leastPause is the shortest time between two questions to the fleet, even if the
// fleet asks for less. So it bounds how often one fetch asks.
const leastPause = 10 * time.Millisecond

// finish tells the fleet the result of a call of the upstream.
func (sh *share) finish(ctx context.Context, body []byte, err error) {
	if sh.fleet == nil {
		return
	}
	result := fleet.Result{Profile: body}
	var failed *upstream.Error
	if errors.As(err, &failed) {
		result.Denied = failed.Meaning == upstream.Denied
		if !failed.Local {
			result.RetryAfter = failed.RetryAfter
		}
	}
	sh.fleet.Finish(ctx, sh.flight, result)
	if result.Denied && sh.ask.Subject != "" && !ofToken(failed.Denial) {
		sh.fleet.Denied(sh.ask.Project, sh.ask.Subject)
	}
}

// last returns the newest profile that the fleet has within the project's limits. It
// is used when the upstream has failed.
func (sh *share) last(ctx context.Context) (body []byte, age time.Duration, ok bool) {
	if sh.fleet == nil || sh.ask.Private {
		return nil, 0, false
	}
	return sh.fleet.Shared(ctx, sh.ask, sh.ask.Keep)
}
