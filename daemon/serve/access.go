package serve

import (
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/internal/strictjson"
	"github.com/neonauthd/neonauthd/protocol"
)

// Callers are the rules that say who may ask what. Without any rule, everybody who can open the socket may ask
// everything. With rules, a caller that matches none may ask nothing. The zero value admits nobody: make Callers with
// NewCallers. It is safe for concurrent use.
type Callers struct {
	open  bool // there are no rules
	rules []*callerRule
}

type callerRule struct {
	uid, gid *uint32
	projects []string // empty: all
	levels   []string // empty: all
	withhold []strictjson.Path
	rate     float64

	limiters sync.Map // uid -> *rate.Limiter: each caller has a rate of its own
}

// errUserNamespace refuses rules that cannot work: in a user namespace all callers from outside may look like one user,
// so a rule for a uid would match somebody else or nobody.
var errUserNamespace = errors.New("caller: this process runs in a user namespace and cannot tell its callers apart; if that is PrivateUsers=yes, as the drop-in private-users.conf " +
	"or a unit of an earlier build has it (systemctl cat neonauthd), set PrivateUsers=no with systemctl edit neonauthd and restart; otherwise remove the [[caller]] tables")

// NewCallers resolves the names of the tables. Without tables, everybody may ask everything. A name that the host does not
// know is an error: a rule that silently matches nobody would lock people out.
func NewCallers(tables []config.Caller) (Callers, error) {
	all := Callers{open: len(tables) == 0}
	if len(tables) > 0 && !sockets.OwnUserNamespace().Whole() {
		return Callers{}, errUserNamespace
	}
	for i, t := range tables {
		rule := &callerRule{uid: t.UID, gid: t.GID, projects: t.Projects, levels: t.Levels, rate: t.Rate}
		var err error
		switch {
		case t.User != "":
			var u *user.User
			if u, err = user.Lookup(t.User); err == nil {
				rule.uid, err = parseID(u.Uid)
			}
		case t.Group != "":
			var g *user.Group
			if g, err = user.LookupGroup(t.Group); err == nil {
				rule.gid, err = parseID(g.Gid)
			}
		}
		if err != nil {
			return Callers{}, fmt.Errorf("caller %d: %w", i+1, err)
		}
		for _, path := range t.Withhold {
			rule.withhold = append(rule.withhold, strings.Split(path, "."))
		}
		all.rules = append(all.rules, rule)
	}
	return all, nil
}

func parseID(s string) (*uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	id := uint32(n)
	return &id, err
}

// permission is what one caller may ask. The zero value allows nothing.
type permission struct {
	unlimited bool          // there are no rules for this caller: it may ask everything
	rule      *callerRule   // what it may ask otherwise; nil: nothing
	limiter   *rate.Limiter // of the rule's rate; nil: no limit
}

// nothing reports whether the caller may ask nothing at all.
func (p *permission) nothing() bool { return !p.unlimited && p.rule == nil }

// permission returns what the user may ask: the first rule that matches decides.
func (c *Callers) permission(uid, gid uint32) permission {
	if c.open {
		return permission{unlimited: true}
	}
	var groups []uint32
	for _, r := range c.rules {
		if r.gid != nil && groups == nil {
			groups = groupsOf(uid, gid)
		}
		if r.uid != nil && *r.uid == uid || r.gid != nil && slices.Contains(groups, *r.gid) {
			return permission{rule: r, limiter: r.limiter(uid)}
		}
	}
	return permission{}
}

// groupsOf returns the user's primary group at connect time and the groups that
// the host's user database lists.
func groupsOf(uid, gid uint32) []uint32 {
	groups := []uint32{gid}
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return groups
	}
	ids, err := u.GroupIds()
	if err != nil {
		return groups
	}
	for _, s := range ids {
		if id, err := parseID(s); err == nil {
			groups = append(groups, *id)
		}
	}
	return groups
}

func (r *callerRule) limiter(uid uint32) *rate.Limiter {
	if r.rate == 0 {
		return nil
	}
	l, _ := r.limiters.LoadOrStore(uid, rate.NewLimiter(rate.Limit(r.rate), max(1, int(r.rate))))
	return l.(*rate.Limiter)
}

// retryAfter returns the time after which a caller with that rate may ask once more.
func (r *callerRule) retryAfter() time.Duration {
	return time.Duration(max(1, min(1/r.rate, 3600)) * float64(time.Second))
}

// refuse returns why the caller may not ask the lookup, or nil.
func (p *permission) refuse(l *resolve.Lookup) *Refusal {
	if p.rule != nil && p.sees(l.Project.Name()) && (!p.reaches(l.Level) || l.Fallback && !p.reaches(resolve.LevelClaims)) {
		return &Refusal{Code: protocol.CodeForbidden, Advice: protocol.TextNoLevel}
	}
	return p.refuseProject(l.Project.Name())
}

// refuseProject returns why the caller may not ask about the project now, or nil.
func (p *permission) refuseProject(project string) *Refusal {
	switch {
	case p.nothing():
		return noRule()
	case p.unlimited:
		return nil
	case !p.sees(project):
		return &Refusal{Code: protocol.CodeForbidden, Advice: protocol.TextNoProject}
	case p.limiter != nil && !p.limiter.Allow():
		return &Refusal{Code: protocol.CodeBusy, RetryAfter: p.rule.retryAfter(), Advice: "this caller's rate is used up"}
	}
	return nil
}

// noRule returns the refusal of a caller that may ask nothing.
func noRule() *Refusal {
	return &Refusal{Code: protocol.CodeForbidden, Advice: "no [[caller]] rule matches this user"}
}

// reaches reports whether the caller may ask for a level.
func (p *permission) reaches(level resolve.Level) bool {
	return len(p.rule.levels) == 0 || slices.Contains(p.rule.levels, level.String())
}

// sees reports whether the caller may ask about a project.
func (p *permission) sees(project string) bool {
	return p.unlimited || p.rule != nil && (len(p.rule.projects) == 0 || slices.Contains(p.rule.projects, project))
}

// withheld returns the members of the verdict's body that are withheld from the caller.
func (p *permission) withheld(v *resolve.Verdict) []strictjson.Path {
	if p.rule == nil || v.Level != resolve.LevelProfile {
		return nil
	}
	return p.rule.withhold
}

// redact removes from the verdict's body the members that are withheld from the caller. If the result is large enough
// to be shared, redact holds it for one reply to who, and returns false if there is no room for it.
func (p *permission) redact(v *resolve.Verdict, who fair.ID, bodies *fair.Bodies) (fair.Held, bool) {
	paths := p.withheld(v)
	switch {
	case len(v.Body) < MinShared && len(paths) == 0:
		return fair.Held{}, true
	case len(v.Body) < MinShared:
		v.Body = strictjson.Without(v.Body, paths)
		return fair.Held{}, true
	case len(paths) == 0:
		return bodies.Hold(who, v.Body, nil, nil)
	}
	held, ok := bodies.Hold(who, v.Body, p.rule, func(body []byte) []byte { return strictjson.Without(body, paths) })
	if ok {
		v.Body = held.Bytes()
	}
	return held, ok
}
