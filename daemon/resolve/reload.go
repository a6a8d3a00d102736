package resolve

import (
	"slices"

	"github.com/neonauthd/neonauthd/daemon/config"
)

// A reload treats a project in one of two ways, by what it changes of the table; see
// config.Change.
//
// Rhythms: the Project stays, with its verdicts, profiles, denials, flights, keys, budgets
// and pauses, and with what clients may keep. Retime puts the new rhythms in force.
//
// All else: there is a new Project, which reaches its verdicts itself. It takes from its
// predecessor, with Succeed, what the change leaves true.

// GoesOnWith reports whether the project can go on with a table: it differs in rhythms at
// most, and the secrets, the authorities and the proxy are the same.
func (p *Project) GoesOnWith(table config.Project, configDir string) bool {
	next := table.WithDerived()
	if next.ChangeFrom(p.config()) > config.ChangeRhythm {
		return false
	}
	if !p.ca.Same(table.CA, configDir) || !p.upstream.Takes(table.UpstreamProxy.Read(configDir)) {
		return false
	}
	// If a secret cannot be read now, the project keeps the one that it has.
	key, err := config.ReadServerKey(table.SecretServerKey, configDir)
	secret, secretErr := config.ReadIntrospectionSecret(&table, configDir)
	return (err != nil || key.Equal(p.serverKey)) && (secretErr != nil || secret.Equal(p.secret))
}

// Retime puts the rhythms of a table in force that the project goes on with. Then call
// Resolver.Retime. One goroutine at a time calls Retime.
func (p *Project) Retime(table config.Project) {
	next := table.WithDerived()
	p.table.Store(&next)
	p.upstream.Limit(limitsOf(&next))
	p.keys.Retime(rhythmOf(&next))
}

// TellUnreadable logs which secrets cannot be read now. It is for a reload that kept the
// project: the secrets of before stay in use, and a restart would have none.
func (p *Project) TellUnreadable(configDir string) {
	const text = " cannot be read any more: what was read before stays in use until a restart; mend what the error names, then reload"
	if _, err := config.ReadServerKey(p.config().SecretServerKey, configDir); err != nil {
		p.log.Error("server key"+text, "error", err)
	}
	if _, err := config.ReadIntrospectionSecret(p.config(), configDir); err != nil {
		p.log.Error("secret of introspection"+text, "error", err)
	}
}

// Succeed takes over from the project of the same name before a reload, which nobody retimes
// any more:
//
//   - the upstream's budgets, circuits and pauses, if the same endpoints are asked in the same
//     way and with the same credentials: a reload must not let this host ask within a pause;
//   - the key set with its fetches and its cooldown, if it comes from the same place in the
//     same way; else only the keys and the issuer, as far as Inherit allows;
//   - the profiles, if usesProfilesOf allows that.
//
// Lookups of before that are in progress go on with before, and share these with p. Call
// Succeed before p is used.
func (p *Project) Succeed(before *Project) {
	p.upstream.Inherit(before.upstream)
	if p.upstream.SameQuestions(before.upstream) {
		p.tested.Store(before.tested.Load())
		p.profileFailures.Store(before.profileFailures.Load())
		p.nextLook.Store(before.nextLook.Load())
	}
	p.inheritIssuer(before)
	if p.upstream.SameWay(before.upstream) && before.keys.Continue(p.keys) {
		p.keys = before.keys
	} else {
		p.keys.Inherit(before.keys)
	}
	if p.usesProfilesOf(before) {
		p.pool = before.pool
	}
}

// usesProfilesOf reports whether the profiles of a predecessor are evidence for p too. A
// profile is what the upstream said of a user, and no verdict: p verifies the token of each
// lookup first, by its own rules and its own leeway. So the profile stays true if p asks
// the same questions in the same way and with the same credentials, and means the same users.
//
// There are two exceptions. A profile shows a class of its user that its token need not
// show, and only the fetch judges that class. So p must admit what the predecessor admitted.
// And the answer of introspection is judged by all the rules of its time when it comes.
func (p *Project) usesProfilesOf(before *Project) bool {
	return p.config().ChangeFrom(before.config()) <= config.ChangeRule && p.upstream.SameQuestions(before.upstream) &&
		!slices.ContainsFunc(before.config().Allow, func(class string) bool { return !p.config().Admits(class) }) &&
		p.config().Introspection == nil
}

// hasUpstreamOf reports whether another project, which may be this project before a
// reload, has the same name and asks the same upstream.
func (p *Project) hasUpstreamOf(other *Project) bool {
	a, b := p.config(), other.config()
	return p == other || a.Name == b.Name && a.Preset == b.Preset && a.BaseURL == b.BaseURL && a.ProjectID == b.ProjectID &&
		a.UserinfoURL == b.UserinfoURL && a.IntrospectionURL == b.IntrospectionURL
}

// Inherit takes over the issuer and the keys of another project, but shares nothing with it.
// Call it before Run.
func (p *Project) Inherit(before *Project) {
	p.inheritIssuer(before)
	p.keys.Inherit(before.keys)
}
