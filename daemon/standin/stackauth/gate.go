package stackauth

import (
	"crypto/subtle"
	"net/http"
)

// Gate makes the checks that precede every endpoint of Stack Auth.
type Gate struct {
	Project, ClientKey, ServerKey string
	Tokens                        Decoder
}

// Authenticate runs the checks that precede every Stack endpoint, in the server's order (apps/backend/
// src/route-handlers/smart-request.tsx): access type, token, project, key, branch. The access is nil
// when there was no token; server tells whether the caller has more than client access.
func (g Gate) Authenticate(r *http.Request) (caller *Access, server bool, refusal *KnownError) {
	kind := Header(r, "access-type")
	if refusal := checkType(r, kind); refusal != nil {
		return nil, false, refusal
	}
	project := Header(r, "project-id")
	if token := Header(r, "access-token"); token != "" {
		a, refusal := g.checkToken(r, token, project)
		if refusal != nil {
			return nil, false, refusal
		}
		caller = &a
	}
	if project != g.Project {
		return nil, false, errCurrentProject(project)
	}
	if refusal := g.checkKey(r, kind, project); refusal != nil {
		return nil, false, refusal
	}
	if branch := Header(r, "branch-id"); branch != "" && branch != "main" {
		return nil, false, errBranch(branch)
	}
	return caller, kind != "client", nil
}

func checkType(r *http.Request, kind string) *KnownError {
	switch kind {
	case "client", "server", "admin":
		if Header(r, "project-id") == "" {
			return errTypeWithoutProject(kind)
		}
		return nil
	case "":
		for _, name := range []string{"publishable-client-key", "secret-server-key", "super-secret-admin-key"} {
			if Header(r, name) != "" {
				return errKeyWithoutType()
			}
		}
		return errTypeRequired()
	default:
		return errInvalidType(kind)
	}
}

// checkToken decodes the token and checks its class against the classes that the caller allows. It compares the token's
// flags, not the live user.
func (g Gate) checkToken(r *http.Request, token, project string) (Access, *KnownError) {
	a, refusal := g.Tokens.Decode(token)
	anonymous := Header(r, "allow-anonymous-user") == "true"
	restricted := anonymous || Header(r, "allow-restricted-user") == "true"
	switch {
	case refusal != nil:
		return a, refusal
	case a.Project != project:
		return a, errOtherProject(project, a.Project)
	case a.anonymous && !anonymous:
		return a, errAnonymous()
	case a.restricted && !restricted:
		return a, errRestricted(a.reason)
	}
	return a, nil
}

func (g Gate) checkKey(r *http.Request, kind, project string) *KnownError {
	switch kind {
	case "client":
		return compareKey(Header(r, "publishable-client-key"), g.ClientKey,
			errClientKeyRequired(project), errWrongKey("INVALID_PUBLISHABLE_CLIENT_KEY", "publishable", project))
	case "server":
		return compareKey(Header(r, "secret-server-key"), g.ServerKey,
			errServerKeyRequired(), errWrongKey("INVALID_SECRET_SERVER_KEY", "secret server", project))
	default: // the stand-in has no admin key, so every one is wrong
		return compareKey(Header(r, "super-secret-admin-key"), "",
			errAdminKeyRequired(), errWrongKey("INVALID_SUPER_SECRET_ADMIN_KEY", "super secret admin", project))
	}
}

func compareKey(given, wanted string, missing, wrong *KnownError) *KnownError {
	switch {
	case given == "":
		return missing
	case subtle.ConstantTimeCompare([]byte(given), []byte(wanted)) != 1:
		return wrong
	}
	return nil
}
