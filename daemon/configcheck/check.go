// Package configcheck tells an operator the meaning of a configuration, and the faults of the
// configuration, its host and its upstreams. It judges as a start of the daemon does, and changes
// nothing.
package configcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/internal/program"
)

// timeout is how long Run may take to ask one project's upstream, or the engine of the fleet.
const timeout = 10 * time.Second

// Options are the settings of a check that are not in a configuration file.
type Options struct {
	// Version is told to upstreams; empty means "dev".
	Version string
	// Now is the clock, with both readings; nil means time.Now.
	Now func() time.Time
	// Environment returns the proxy for an upstream if the configuration names none;
	// nil: no proxy. See transport.Environment.
	Environment func(*url.URL) (*url.URL, error)
}

// surroundings returns what a project of the configuration needs. It has no state directory, because a check saves
// nothing, and no log, because the report has everything.
func (o *Options) surroundings(cfg *config.Config) resolve.Surroundings {
	s := resolve.Surroundings{
		ConfigDir:   cfg.Dir,
		Environment: o.Environment,
		UserAgent:   "neonauthd/" + cmp.Or(o.Version, "dev"),
		Now:         o.Now,
		Log:         slog.New(slog.DiscardHandler),
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	return s
}

// Run writes to out what cfg means and what each project's upstream answers. It returns how many faults an operator
// has to mend. It serves nothing, saves nothing and needs no user's token. The error says why cfg cannot be used at
// all.
func Run(ctx context.Context, out io.Writer, cfg config.Config, opts Options) (wrong int, err error) {
	if _, err := serve.NewCallers(cfg.Callers); err != nil {
		return 0, program.ConfigError{Err: cfg.InFile(err)}
	}
	state, unfit := cfg.ChooseState(revoke.Left)
	from := ""
	if state.ByUnit {
		from = " (STATE_DIRECTORY, which wins over state_dir)"
	}
	fmt.Fprintf(out, "socket        %s\nadmin socket  %s\nstate         %s%s\ncache         %s\n", cfg.Socket, cfg.AdminSocket, state.Path, from, cfg.Cache.MaxBytes.String())
	checkMetrics(out, &cfg)
	wrong += checkAccessLog(out, cfg.AccessLog)
	if len(cfg.Callers) > 0 {
		// A unit may have a user namespace. This process normally has none.
		fmt.Fprintf(out, "callers       %d [[caller]] table(s); a unit with PrivateUsers=yes does not start with them\n", len(cfg.Callers))
	}
	wrong += checkStateChoice(out, state, unfit) + checkState(out, state)
	checkSockets(out, &cfg, state.Path)
	if cfg.Fleet.On() {
		wrong += checkFleet(ctx, out, &cfg)
	}
	around := opts.surroundings(&cfg)
	for _, table := range cfg.Projects {
		n, err := checkProject(ctx, out, table, around)
		if err != nil {
			return wrong, program.ConfigError{Err: cfg.InFile(err)}
		}
		wrong += n
	}
	return wrong, nil
}

// checkFleet asks the engine what a host of the fleet would ask. It does not join the fleet.
func checkFleet(ctx context.Context, out io.Writer, cfg *config.Config) (wrong int) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fmt.Fprintf(out, "\nfleet %q\n", cfg.Fleet.Name)
	o, ca, err := cfg.Fleet.Options(cfg.Dir)
	if errors.Is(err, config.ErrNoCredentials) {
		o.Keys = nil // then Check finds out what it can without secrets
	} else if err != nil {
		fmt.Fprintf(out, "  WRONG       %v\n", err)
		return 1
	}
	wrong = writeCA(out, cfg.Fleet.CA, ca)
	for _, f := range fleet.Check(ctx, o) {
		word := "ok"
		switch f.Severity {
		case fleet.Fault:
			word = "WRONG"
			wrong++
		case fleet.Warning:
			word = "warn"
		case fleet.Unchecked:
			word = "unchecked"
		case fleet.Fine:
		}
		fmt.Fprintf(out, "  %-11s %s\n", word, f.Text)
	}
	return wrong
}

// projectCheck writes what is found about one project, and counts the faults.
type projectCheck struct {
	out     io.Writer
	project *resolve.Project
	config  config.Project // as derived
	dir     string         // that paths with "./" start from
	wrong   int
}

func checkProject(ctx context.Context, out io.Writer, table config.Project, s resolve.Surroundings) (wrong int, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	p, err := resolve.NewProject(table, s)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	c := projectCheck{out: out, project: p, config: p.Config(), dir: s.ConfigDir}
	fmt.Fprintf(out, "\nproject %q (%s)\n  upstream    %s\n  key set     %s\n  algorithms  %s\n",
		c.config.Name, c.config.Preset, c.config.BaseURL, cmp.Or(c.config.JWKSURL, "found in the issuer's metadata, see below"), strings.Join(c.config.Algorithms, " "))
	c.transport()
	c.audiences()
	c.logout()
	c.keys(ctx)
	c.serverKey(ctx)
	if c.config.Introspection != nil {
		c.introspection(ctx)
	}
	return c.wrong, nil
}

// report writes that a part of the check has succeeded, or what is wrong.
func (c *projectCheck) report(what string, err error) {
	if err != nil {
		c.wrong++
		fmt.Fprintf(c.out, "  WRONG       %s: %v\n", what, err)
		return
	}
	fmt.Fprintf(c.out, "  ok          %s\n", what)
}

// transport writes how the upstream is reached, unless it is reached directly, over TLS and with the system's
// authorities.
func (c *projectCheck) transport() {
	if proxy, says := c.project.Upstream().Proxy(); proxy != "" {
		fmt.Fprintf(c.out, "  proxy       %s (%s)\n", proxy, says)
	}
	if c.project.Upstream().PlainHTTP() {
		fmt.Fprintf(c.out, "  warn        PLAIN HTTP (insecure_http): whoever is on the way reads tokens and server key, and can have any token accepted\n")
	} else if c.config.InsecureHTTP {
		fmt.Fprintf(c.out, "  note        insecure_http is set and not needed: no URL is plain http to another host; leave it out\n")
	}
	c.wrong += writeCA(c.out, c.config.CA, c.project.CA())
}

// writeCA writes which authorities are trusted in place of the system's, and counts the
// faults. path is the file's; ca is nil if the system's are trusted.
func writeCA(out io.Writer, path string, ca *config.CA) (wrong int) {
	if ca == nil {
		return 0
	}
	fmt.Fprintf(out, "  ca          %s, in place of the system's: %d certificate(s)\n", path, ca.Certificates)
	for _, unfit := range ca.Unfit {
		fmt.Fprintf(out, "  warn        %s\n", unfit)
	}
	if len(ca.Unfit) == ca.Certificates {
		wrong++
		fmt.Fprintf(out, "  WRONG       ca: no certificate in it is valid now\n")
	}
	return wrong
}

// audiences writes whose tokens are accepted.
func (c *projectCheck) audiences() {
	claim := "" // that audiences are compared with, unless it is "aud"
	if c.config.AudienceClaim != "" && c.config.AudienceClaim != config.AudienceClaimAud {
		claim = c.config.AudienceClaim + " "
	}
	for _, a := range c.project.Audiences() {
		issuers := "whom the upstream's metadata name"
		if len(a.Issuers) > 0 {
			issuers = strings.Join(a.Issuers, " or ")
		}
		fmt.Fprintf(c.out, "  audience    %s%s (%s), issued by %s\n", claim, a.Name, a.Class, issuers)
	}
}

// logout writes what a logout token can end, if the project takes logout tokens.
func (c *projectCheck) logout() {
	clients := c.config.LogoutClients()
	if len(clients) == 0 {
		return
	}
	fmt.Fprintf(c.out, "  logout      tokens for %s end sessions, once the issuer has the address of neonauth-http's /logout/%s\n", strings.Join(clients, " or "), c.config.Name)
	switch c.config.SessionNaming() {
	case config.SessionsNever:
		fmt.Fprintf(c.out, "  note        logout: session JWTs name no session, so a logout refuses those of its user that were issued until then, whichever session they are of; sessions that go on fetch new ones. With resources, tokens name their session\n")
	case config.SessionsPerhaps:
		fmt.Fprintf(c.out, "  note        logout: it refuses tokens of its session and, of its user, those issued until then that name none; see that the issuer puts \"sid\" into access tokens\n")
	case config.SessionsAlways:
	}
}

// keys fetches the key set.
func (c *projectCheck) keys(ctx context.Context) {
	set, err := c.project.FetchKeys(ctx)
	if err != nil {
		c.report("key set", err)
		return
	}
	left := ""
	if skipped := set.Skipped(); len(skipped) > 0 {
		left = ", " + keyset.Kinds(skipped)
	}
	if c.config.FindsIssuer() {
		c.report("the issuer is "+c.project.Issuer()+", as the upstream's metadata say", nil)
		if rival := c.project.Rival(); rival != "" {
			fmt.Fprintf(c.out, "  note        there are no metadata of %s (404), and only those of its origin: tokens that name %s as their issuer are not accepted, and unknown until it has metadata; if they are right, write it into issuers\n", rival, rival)
		}
	}
	if c.config.JWKSRefresh > c.config.JWKSMaxAge {
		fmt.Fprintf(c.out, "  note        jwks_refresh is longer than jwks_max_age, which bounds only what Cache-Control says: without Cache-Control a withdrawn key is accepted for up to %s\n", c.config.JWKSRefresh)
	}
	c.found(ctx)
	c.report(fmt.Sprintf("key set (keys: %d, skipped: %d%s)", len(set.Keys()), len(set.Skipped()), left), nil)
}

// found writes the addresses that the issuer's metadata name and the configuration does not.
func (c *projectCheck) found(ctx context.Context) {
	profiles := c.config.UserinfoURL == "" && c.config.Introspection == nil // the metadata say where profiles are
	if !c.config.Meaning().Metadata || c.config.JWKSURL != "" && !profiles {
		return
	}
	keys, userinfo, err := c.project.Upstream().Found(ctx)
	if err == nil && c.config.JWKSURL == "" {
		fmt.Fprintf(c.out, "  key set     %s, as the issuer's metadata say\n", keys)
	}
	if len(c.config.Issuers) > 0 && err == nil && !slices.Contains(c.config.Issuers, c.config.BaseURL) { // metadata count only if their issuer is base_url
		fmt.Fprintf(c.out, "  warn        issuers: the issuer's metadata name %s, which is not among them: tokens that name it are rejected as wrong-issuer; leave issuers out, unless tokens name another issuer than the metadata\n", c.config.BaseURL)
	}
	switch {
	case !profiles:
	case err != nil:
		fmt.Fprintf(c.out, "  warn        userinfo: %v; VERIFY works, PROFILE does not; set userinfo_url\n", err)
	case userinfo == "":
		fmt.Fprintf(c.out, "  note        the issuer's metadata name no userinfo_endpoint that may be asked: VERIFY works, PROFILE does not; set userinfo_url if there is one\n")
	default:
		fmt.Fprintf(c.out, "  userinfo    %s, as the issuer's metadata say\n", userinfo)
	}
}

// undelivered writes that a secret is not checked: only systemd can read the credential, and only the service gets it.
func (c *projectCheck) undelivered(what, name, then string) {
	fmt.Fprintf(c.out, "  unchecked   %s: a credential is delivered to the service only, whose log says %s\n", what, then)
	if file := config.FileBeside(name, c.dir); file != "" {
		fmt.Fprintf(c.out, "  warn        %s: there is a file %s beside the configuration; if that is meant, write it so, because a name without \"./\" is that of a credential\n", what, file)
	}
}

// serverKey asks whether the upstream takes the server key, and whether it judges the API keys of the configuration.
func (c *projectCheck) serverKey(ctx context.Context) {
	_, err := config.ReadServerKey(c.config.SecretServerKey, c.dir)
	switch {
	case errors.Is(err, config.ErrNoCredentials):
		c.undelivered("server key", c.config.SecretServerKey, "at its start whether it is right")
	case err != nil:
		c.report("server key", err)
	case !c.project.NeedsServerKey():
	case !c.project.HasServerKey():
		also := ""
		if len(c.config.APIKeys) > 0 {
			also = ", and so are API keys (api_keys), which are judged with it"
		}
		fmt.Fprintf(c.out, "  note        no server key: claims are verified, profiles are answered as misconfigured%s\n", also)
	default:
		c.report("project id and server key, as the upstream sees them", c.project.Upstream().SelfTest(ctx))
		for _, kind := range c.config.APIKeys {
			c.report("API keys of type "+kind+", as the upstream sees them", c.project.Upstream().TestAPIKeys(ctx, kind == config.APIKeysTeam))
		}
	}
}

// introspection asks about a token that nobody has. Whether the upstream tells this client that good tokens are
// active can only be found with a good token, and this check has none.
func (c *projectCheck) introspection(ctx context.Context) {
	secret, err := config.ReadIntrospectionSecret(&c.config, c.dir)
	switch {
	case errors.Is(err, config.ErrNoCredentials):
		c.undelivered("introspection secret", c.config.Introspection.Secret, "so at the first token if it is wrong")
		return
	case err != nil:
		c.report("introspection", err)
		return
	case secret.Empty():
		c.report("introspection", errors.New("no introspection.secret: what it judges is answered as misconfigured"))
		return
	}
	err = c.project.Upstream().TestIntrospection(ctx)
	c.report(fmt.Sprintf("introspection as client %s, by %s", c.config.Introspection.ClientID, c.config.Introspection.Method()), err)
	if err == nil {
		what := "its resource"
		if len(c.config.Resources) > 0 {
			what = strings.Join(c.config.Resources, " and ")
		}
		fmt.Fprintf(c.out, "  note        introspection: is this client linked to %s? If not, each good token is called inactive; that shows on users' tokens only, then the log and neonauthctl stats (unlinked) say so\n", what)
	}
}
