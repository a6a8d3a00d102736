package standin

import (
	"crypto/subtle"
	"net/http"
)

// stackHeader is a request header under its present or its former name.
func stackHeader(r *http.Request, name string) string {
	if v := r.Header.Get("X-Hexclave-" + name); v != "" {
		return v
	}
	return r.Header.Get("X-Stack-" + name)
}

// authenticate runs the checks that precede every Stack endpoint, in the server's order (apps/backend/
// src/route-handlers/smart-request.tsx): access type, token, project, key, branch. The access is nil
// when there was no token; server tells whether the caller has more than client access.
func (s *Standin) authenticate(r *http.Request) (caller *access, server bool, refusal *knownError) {
	kind := stackHeader(r, "access-type")
	if refusal := checkType(r, kind); refusal != nil {
		return nil, false, refusal
	}
	project := stackHeader(r, "project-id")
	if token := stackHeader(r, "access-token"); token != "" {
		a, refusal := s.checkToken(r, token, project)
		if refusal != nil {
			return nil, false, refusal
		}
		caller = &a
	}
	if project != s.options.ProjectID {
		return nil, false, errCurrentProject(project)
	}
	if refusal := s.checkKey(r, kind, project); refusal != nil {
		return nil, false, refusal
	}
	if branch := stackHeader(r, "branch-id"); branch != "" && branch != "main" {
		return nil, false, errBranch(branch)
	}
	return caller, kind != "client", nil
}

func checkType(r *http.Request, kind string) *knownError {
	switch kind {
	case "client", "server", "admin":
		if stackHeader(r, "project-id") == "" {
			return errTypeWithoutProject(kind)
		}
		return nil
	case "":
		for _, name := range []string{"publishable-client-key", "secret-server-key", "super-secret-admin-key"} {
			if stackHeader(r, name) != "" {
				return errKeyWithoutType()
			}
		}
		return errTypeRequired()
	default:
		return errInvalidType(kind)
	}
}

// checkToken decodes the token and applies the caller's admissions. They go by the token's flags, not by
// the live user.
func (s *Standin) checkToken(r *http.Request, token, project string) (access, *knownError) {
	d := decoder{bases: []string{s.BaseURL()}, now: s.now(), keys: func(audience string) []*key {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.stack.published(audience, false)
	}}
	a, refusal := d.decode(token)
	anonymous := stackHeader(r, "allow-anonymous-user") == "true"
	restricted := anonymous || stackHeader(r, "allow-restricted-user") == "true"
	switch {
	case refusal != nil:
		return a, refusal
	case a.project != project:
		return a, errOtherProject(project, a.project)
	case a.anonymous && !anonymous:
		return a, errAnonymous()
	case a.restricted && !restricted:
		return a, errRestricted(a.reason)
	}
	return a, nil
}

func (s *Standin) checkKey(r *http.Request, kind, project string) *knownError {
	switch kind {
	case "client":
		return compareKey(stackHeader(r, "publishable-client-key"), s.options.ClientKey,
			errClientKeyRequired(project), errWrongKey("INVALID_PUBLISHABLE_CLIENT_KEY", "publishable", project))
	case "server":
		return compareKey(stackHeader(r, "secret-server-key"), s.options.ServerKey,
			errServerKeyRequired(), errWrongKey("INVALID_SECRET_SERVER_KEY", "secret server", project))
	default: // the stand-in has no admin key, so none is right
		return compareKey(stackHeader(r, "super-secret-admin-key"), "",
			errAdminKeyRequired(), errWrongKey("INVALID_SUPER_SECRET_ADMIN_KEY", "super secret admin", project))
	}
}

func compareKey(given, wanted string, missing, wrong *knownError) *knownError {
	switch {
	case given == "":
		return missing
	case subtle.ConstantTimeCompare([]byte(given), []byte(wanted)) != 1:
		return wrong
	}
	return nil
}
