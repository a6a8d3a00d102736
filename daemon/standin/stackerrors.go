package standin

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"
)

// knownError is an error that Stack Auth has a code for (packages/stack-shared/src/known-errors.tsx).
type knownError struct {
	code    string
	status  int
	details object
	text    string
}

// Sentences that several errors share.
const (
	docsHint      = "\n\nFor more information, see the docs on REST API authentication: https://docs.hexclave.com/rest-api/overview#authentication"
	typeHint      = "(The legacy x-stack-access-type header is also accepted.)"
	expiredIntro  = "Access token has expired. Please refresh it and try again."
	expiredAdvice = "\n\nDebug info: Most likely, you fetched the access token before it expired (for example, in a server component, pre-rendered page, or on page load), but then didn't refresh it before it expired. If this is the case, and you're using the SDK, make sure you call getAccessToken() every time you need to use the access token. If you're not using the SDK, make sure you refresh the access token with the refresh endpoint."
)

func plainError(code string, status int, text string) *knownError {
	return &knownError{code: code, status: status, text: text}
}

func errAccessTokenExpired(exp float64, project, user, session any) *knownError {
	text := expiredIntro
	var millis any
	if exp > -1e11 && exp < 1e11 {
		at := time.UnixMilli(int64(math.Round(exp * 1000)))
		millis = at.UnixMilli()
		text += " (The access token expired at " + isoTime(at) + ".)"
	}
	for _, part := range []struct {
		label string
		value any
	}{{"Project ID", project}, {"User ID", user}, {"Refresh token ID", session}} {
		if value, ok := part.value.(string); ok {
			text += " " + part.label + ": " + value + "."
		}
	}
	return &knownError{"ACCESS_TOKEN_EXPIRED", http.StatusUnauthorized, object{
		{"expired_at_millis", millis}, {"project_id", project}, {"user_id", user}, {"refresh_token_id", session},
	}, text + expiredAdvice}
}

func errUnparsable() *knownError {
	return plainError("UNPARSABLE_ACCESS_TOKEN", http.StatusUnauthorized, "Access token is not parsable.")
}

func errOtherProject(expected, actual string) *knownError {
	return &knownError{"INVALID_PROJECT_FOR_ACCESS_TOKEN", http.StatusUnauthorized,
		object{{"expected_project_id", expected}, {"actual_project_id", actual}},
		`Access token not valid for this project. Expected project ID "` + expected + `", but the token is for project ID "` + actual + `".`}
}

func errAnonymous() *knownError {
	return plainError("ANONYMOUS_AUTHENTICATION_NOT_ALLOWED", http.StatusUnauthorized, "X-Stack-Access-Token is for an anonymous user, but anonymous users are not enabled. Set the X-Stack-Allow-Anonymous-User header of this request to 'true' to allow anonymous users.")
}

func errRestricted(reason string) *knownError {
	return &knownError{"RESTRICTED_USER_NOT_ALLOWED", http.StatusForbidden, object{{"restricted_reason", object{{"type", reason}}}},
		"The user in the access token is in restricted state. Reason: " + reason + ". Please pass the X-Stack-Allow-Restricted-User header if this is intended."}
}

func errNoOwnUser() *knownError {
	return plainError("CANNOT_GET_OWN_USER_WITHOUT_USER", http.StatusBadRequest, "You have specified 'me' as a userId, but did not provide authentication for a user.")
}

func errKeyWithoutType() *knownError {
	return plainError("PROJECT_KEY_WITHOUT_ACCESS_TYPE", http.StatusBadRequest, "Either an API key or an admin access token was provided, but the x-hexclave-access-type header is missing. Set it to 'client', 'server', or 'admin' as appropriate. "+typeHint)
}

func errTypeRequired() *knownError {
	return plainError("ACCESS_TYPE_REQUIRED", http.StatusBadRequest, "You must specify an access level for this Hexclave project. Make sure project API keys are provided (eg. x-hexclave-publishable-client-key) and you set the x-hexclave-access-type header to 'client', 'server', or 'admin'. (The legacy x-stack-* equivalents are also accepted.)"+docsHint)
}

func errInvalidType(kind string) *knownError {
	return plainError("INVALID_ACCESS_TYPE", http.StatusBadRequest, "The x-hexclave-access-type header must be 'client', 'server', or 'admin', but was '"+kind+"'. "+typeHint)
}

func errTypeWithoutProject(kind string) *knownError {
	return &knownError{"ACCESS_TYPE_WITHOUT_PROJECT_ID", http.StatusBadRequest, object{{"request_type", kind}},
		"The x-hexclave-access-type header was '" + kind + "', but the x-hexclave-project-id header was not provided. (The legacy x-stack-access-type and x-stack-project-id headers are also accepted.)" + docsHint}
}

func errCurrentProject(id string) *knownError {
	return &knownError{"CURRENT_PROJECT_NOT_FOUND", http.StatusBadRequest, object{{"project_id", id}},
		"The current project with ID " + id + " was not found. Please check the value of the x-hexclave-project-id header. (The legacy x-stack-project-id header is also accepted.)"}
}

func errBranch(id string) *knownError {
	return &knownError{"BRANCH_DOES_NOT_EXIST", http.StatusBadRequest, object{{"branch_id", id}}, "The branch with ID " + id + " does not exist."}
}

func errServerKeyRequired() *knownError {
	return plainError("SERVER_AUTHENTICATION_REQUIRED", http.StatusUnauthorized, "The secret server key must be provided.")
}

func errAdminKeyRequired() *knownError {
	return plainError("ADMIN_AUTHENTICATION_REQUIRED", http.StatusUnauthorized, "The super secret admin key must be provided.")
}

func errClientKeyRequired(project string) *knownError {
	return &knownError{"PUBLISHABLE_CLIENT_KEY_REQUIRED_FOR_PROJECT", http.StatusUnauthorized, object{{"project_id", project}},
		"Publishable client keys are required for this project. Create one in Project Keys, or disable this requirement there to allow keyless client access."}
}

// errWrongKey is the refusal of a project key; kind is "publishable", "secret server" or "super secret admin".
func errWrongKey(code, kind, project string) *knownError {
	return &knownError{code, http.StatusUnauthorized, object{{"project_id", project}},
		"The " + kind + ` key is not valid for the project "` + project + `". Does the project and/or the key exist?`}
}

func errSchema(r *http.Request, complaint string) *knownError {
	message := "Request validation failed on " + r.Method + " " + r.URL.Path + ":\n  - " + complaint
	return &knownError{"SCHEMA_ERROR", http.StatusBadRequest, object{{"message", message}}, message}
}

func errBodyParsing() *knownError {
	return plainError("BODY_PARSING_ERROR", http.StatusBadRequest, "Invalid JSON in request body")
}

func errUserRequired() *knownError {
	return plainError("USER_AUTHENTICATION_REQUIRED", http.StatusUnauthorized, "User authentication required for this endpoint.")
}

func errRefreshToken() *knownError {
	return plainError("REFRESH_TOKEN_NOT_FOUND_OR_EXPIRED", http.StatusUnauthorized, "Refresh token not found for this project, or the session has expired/been revoked.")
}

func errPassword() *knownError {
	return plainError("EMAIL_PASSWORD_MISMATCH", http.StatusBadRequest, "Wrong e-mail or password.")
}

// exampleError is an error of a code as a fault shows it; a code it does not know makes an error of a
// later version of the server.
func (s *Standin) exampleError(code string) *knownError {
	project := s.options.ProjectID
	for _, e := range []*knownError{
		errAccessTokenExpired(float64(s.now().Unix()), project, newUUID(), newUUID()),
		errUnparsable(), errOtherProject(project, newUUID()), errAnonymous(), errRestricted(reasonUnverified), errNoOwnUser(),
		errKeyWithoutType(), errTypeRequired(), errInvalidType("root"), errTypeWithoutProject("server"), errCurrentProject(project),
		errBranch("preview"), errServerKeyRequired(), errAdminKeyRequired(), errClientKeyRequired(project),
		errWrongKey("INVALID_SECRET_SERVER_KEY", "secret server", project),
		errWrongKey("INVALID_PUBLISHABLE_CLIENT_KEY", "publishable", project),
		errWrongKey("INVALID_SUPER_SECRET_ADMIN_KEY", "super secret admin", project),
		errUserRequired(), errRefreshToken(), errPassword(), errBodyParsing(),
	} {
		if e.code == code {
			return e
		}
	}
	return plainError(code, http.StatusUnauthorized, "Something that this version does not know.")
}

func (e *knownError) body() []byte {
	o := object{{"code", e.code}, {"error", e.text}}
	if e.details != nil {
		o = object{{"code", e.code}, {"details", e.details}, {"error", e.text}}
	}
	var b bytes.Buffer
	if err := json.Indent(&b, mustEncode(o), "", "  "); err != nil {
		panic("standin: " + err.Error())
	}
	return b.Bytes()
}

// write answers with the error; a caller that asked for x-stack-override-error-status gets it under
// status 200, as the official SDKs do.
func (e *knownError) write(w http.ResponseWriter, r *http.Request) {
	if stackHeader(r, "override-error-status") != "" {
		e.writeWrapped(w)
		return
	}
	e.writeAs(w, e.status)
}

func (e *knownError) writeWrapped(w http.ResponseWriter) {
	setBoth(w.Header(), "actual-status", strconv.Itoa(e.status))
	e.writeAs(w, http.StatusOK)
}

func (e *knownError) writeAs(w http.ResponseWriter, status int) {
	stackHeaders(w)
	setBoth(w.Header(), "known-error", e.code)
	w.WriteHeader(status)
	w.Write(e.body())
}

// writeInternalError is what an assertion that fails in the server looks like from outside.
func writeInternalError(w http.ResponseWriter) {
	id := stackHeaders(w)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	io.WriteString(w, internalErrorText(id))
}

func internalErrorText(id string) string {
	return "Something went wrong. Please make sure the data you entered is correct.\n\nRequest ID: " + id
}
