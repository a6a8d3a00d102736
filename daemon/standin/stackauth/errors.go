package stackauth

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// KnownError is an error that Stack Auth has a code for (packages/stack-shared/src/known-errors.tsx).
type KnownError struct {
	Code    string // empty: an assertion failed in the server, and the answer is a bare 500
	Status  int
	details ordered.Object
	Text    string
}

// Sentences that several errors share.
const (
	docsHint      = "\n\nFor more information, see the docs on REST API authentication: https://docs.hexclave.com/rest-api/overview#authentication"
	typeHint      = "(The legacy x-stack-access-type header is also accepted.)"
	expiredIntro  = "Access token has expired. Please refresh it and try again."
	expiredAdvice = "\n\nDebug info: Most likely, you fetched the access token before it expired (for example, in a server component, pre-rendered page, or on page load), but then didn't refresh it before it expired. If this is the case, and you're using the SDK, make sure you call getAccessToken() every time you need to use the access token. If you're not using the SDK, make sure you refresh the access token with the refresh endpoint."
)

func plainError(code string, status int, text string) *KnownError {
	return &KnownError{Code: code, Status: status, Text: text}
}

func errAccessTokenExpired(exp float64, project, user, session any) *KnownError {
	text := expiredIntro
	var millis any
	if exp > -1e11 && exp < 1e11 {
		at := time.UnixMilli(int64(math.Round(exp * 1000)))
		millis = at.UnixMilli()
		text += " (The access token expired at " + ordered.ISOTime(at) + ".)"
	}
	for _, part := range []struct {
		label string
		value any
	}{{"Project ID", project}, {"User ID", user}, {"Refresh token ID", session}} {
		if value, ok := part.value.(string); ok {
			text += " " + part.label + ": " + value + "."
		}
	}
	return &KnownError{"ACCESS_TOKEN_EXPIRED", http.StatusUnauthorized, ordered.Object{
		{"expired_at_millis", millis}, {"project_id", project}, {"user_id", user}, {"refresh_token_id", session},
	}, text + expiredAdvice}
}

func errUnparsable() *KnownError {
	return plainError("UNPARSABLE_ACCESS_TOKEN", http.StatusUnauthorized, "Access token is not parsable.")
}

func errOtherProject(expected, actual string) *KnownError {
	return &KnownError{"INVALID_PROJECT_FOR_ACCESS_TOKEN", http.StatusUnauthorized,
		ordered.Object{{"expected_project_id", expected}, {"actual_project_id", actual}},
		`Access token not valid for this project. Expected project ID "` + expected + `", but the token is for project ID "` + actual + `".`}
}

func errAnonymous() *KnownError {
	return plainError("ANONYMOUS_AUTHENTICATION_NOT_ALLOWED", http.StatusUnauthorized, "X-Stack-Access-Token is for an anonymous user, but anonymous users are not enabled. Set the X-Stack-Allow-Anonymous-User header of this request to 'true' to allow anonymous users.")
}

func errRestricted(reason string) *KnownError {
	return &KnownError{"RESTRICTED_USER_NOT_ALLOWED", http.StatusForbidden, ordered.Object{{"restricted_reason", ordered.Object{{"type", reason}}}},
		"The user in the access token is in restricted state. Reason: " + reason + ". Please pass the X-Stack-Allow-Restricted-User header if this is intended."}
}

// NoOwnUser refuses users/me without a user.
func NoOwnUser() *KnownError {
	return plainError("CANNOT_GET_OWN_USER_WITHOUT_USER", http.StatusBadRequest, "You have specified 'me' as a userId, but did not provide authentication for a user.")
}

func errKeyWithoutType() *KnownError {
	return plainError("PROJECT_KEY_WITHOUT_ACCESS_TYPE", http.StatusBadRequest, "Either an API key or an admin access token was provided, but the x-hexclave-access-type header is missing. Set it to 'client', 'server', or 'admin' as appropriate. "+typeHint)
}

func errTypeRequired() *KnownError {
	return plainError("ACCESS_TYPE_REQUIRED", http.StatusBadRequest, "You must specify an access level for this Hexclave project. Make sure project API keys are provided (eg. x-hexclave-publishable-client-key) and you set the x-hexclave-access-type header to 'client', 'server', or 'admin'. (The legacy x-stack-* equivalents are also accepted.)"+docsHint)
}

func errInvalidType(kind string) *KnownError {
	return plainError("INVALID_ACCESS_TYPE", http.StatusBadRequest, "The x-hexclave-access-type header must be 'client', 'server', or 'admin', but was '"+kind+"'. "+typeHint)
}

func errTypeWithoutProject(kind string) *KnownError {
	return &KnownError{"ACCESS_TYPE_WITHOUT_PROJECT_ID", http.StatusBadRequest, ordered.Object{{"request_type", kind}},
		"The x-hexclave-access-type header was '" + kind + "', but the x-hexclave-project-id header was not provided. (The legacy x-stack-access-type and x-stack-project-id headers are also accepted.)" + docsHint}
}

func errCurrentProject(id string) *KnownError {
	return &KnownError{"CURRENT_PROJECT_NOT_FOUND", http.StatusBadRequest, ordered.Object{{"project_id", id}},
		"The current project with ID " + id + " was not found. Please check the value of the x-hexclave-project-id header. (The legacy x-stack-project-id header is also accepted.)"}
}

func errBranch(id string) *KnownError {
	return &KnownError{"BRANCH_DOES_NOT_EXIST", http.StatusBadRequest, ordered.Object{{"branch_id", id}}, "The branch with ID " + id + " does not exist."}
}

func errServerKeyRequired() *KnownError {
	return plainError("SERVER_AUTHENTICATION_REQUIRED", http.StatusUnauthorized, "The secret server key must be provided.")
}

func errAdminKeyRequired() *KnownError {
	return plainError("ADMIN_AUTHENTICATION_REQUIRED", http.StatusUnauthorized, "The super secret admin key must be provided.")
}

func errClientKeyRequired(project string) *KnownError {
	return &KnownError{"PUBLISHABLE_CLIENT_KEY_REQUIRED_FOR_PROJECT", http.StatusUnauthorized, ordered.Object{{"project_id", project}},
		"Publishable client keys are required for this project. Create one in Project Keys, or disable this requirement there to allow keyless client access."}
}

// errWrongKey is the refusal of a project key; kind is "publishable", "secret server" or "super secret admin".
func errWrongKey(code, kind, project string) *KnownError {
	return &KnownError{code, http.StatusUnauthorized, ordered.Object{{"project_id", project}},
		"The " + kind + ` key is not valid for the project "` + project + `". Does the project and/or the key exist?`}
}

// BadSchema refuses a request that does not fit the endpoint's schema.
func BadSchema(r *http.Request, complaint string) *KnownError {
	message := "Request validation failed on " + r.Method + " " + r.URL.Path + ":\n  - " + complaint
	return &KnownError{"SCHEMA_ERROR", http.StatusBadRequest, ordered.Object{{"message", message}}, message}
}

// BadBody refuses a body that is not JSON.
func BadBody() *KnownError {
	return plainError("BODY_PARSING_ERROR", http.StatusBadRequest, "Invalid JSON in request body")
}

// UserRequired refuses a request without an access token where one is needed.
func UserRequired() *KnownError {
	return plainError("USER_AUTHENTICATION_REQUIRED", http.StatusUnauthorized, "User authentication required for this endpoint.")
}

// BadRefreshToken refuses a refresh token that is unknown or over.
func BadRefreshToken() *KnownError {
	return plainError("REFRESH_TOKEN_NOT_FOUND_OR_EXPIRED", http.StatusUnauthorized, "Refresh token not found for this project, or the session has expired/been revoked.")
}

// BadPassword refuses a sign-in.
func BadPassword() *KnownError {
	return plainError("EMAIL_PASSWORD_MISMATCH", http.StatusBadRequest, "Wrong e-mail or password.")
}

// Example is an error of a code as a fault shows it; a code that it does not know gives an error as of a later version
// of the server.
func Example(code, project string, now time.Time) *KnownError {
	for _, e := range []*KnownError{
		errAccessTokenExpired(float64(now.Unix()), project, mint.UUID(), mint.UUID()),
		errUnparsable(), errOtherProject(project, mint.UUID()), errAnonymous(), errRestricted(ReasonUnverified), NoOwnUser(),
		errKeyWithoutType(), errTypeRequired(), errInvalidType("root"), errTypeWithoutProject("server"), errCurrentProject(project),
		errBranch("preview"), errServerKeyRequired(), errAdminKeyRequired(), errClientKeyRequired(project),
		errWrongKey("INVALID_SECRET_SERVER_KEY", "secret server", project),
		errWrongKey("INVALID_PUBLISHABLE_CLIENT_KEY", "publishable", project),
		errWrongKey("INVALID_SUPER_SECRET_ADMIN_KEY", "super secret admin", project),
		UserRequired(), BadRefreshToken(), BadPassword(), BadBody(),
	} {
		if e.Code == code {
			return e
		}
	}
	return plainError(code, http.StatusUnauthorized, "Something that this version does not know.")
}

// Body is the JSON of the error, indented by two as the server does.
func (e *KnownError) Body() []byte {
	o := ordered.Object{{"code", e.Code}, {"error", e.Text}}
	if e.details != nil {
		o = ordered.Object{{"code", e.Code}, {"details", e.details}, {"error", e.Text}}
	}
	var b bytes.Buffer
	if err := json.Indent(&b, ordered.Encode(o), "", "  "); err != nil {
		panic("standin: " + err.Error())
	}
	return b.Bytes()
}

// Write answers with the error; a caller that asked for x-stack-override-error-status gets it under
// status 200, as the official SDKs do.
func (e *KnownError) Write(w http.ResponseWriter, r *http.Request) {
	if Header(r, "override-error-status") != "" {
		e.WriteWrapped(w)
		return
	}
	e.writeAs(w, e.Status)
}

// WriteWrapped answers with the error under status 200, its own status in a header.
func (e *KnownError) WriteWrapped(w http.ResponseWriter) {
	SetBoth(w.Header(), "actual-status", strconv.Itoa(e.Status))
	e.writeAs(w, http.StatusOK)
}

func (e *KnownError) writeAs(w http.ResponseWriter, status int) {
	SetHeaders(w)
	SetBoth(w.Header(), "known-error", e.Code)
	w.WriteHeader(status)
	w.Write(e.Body())
}

// WriteInternalError is what an assertion that fails in the server looks like from outside.
func WriteInternalError(w http.ResponseWriter) {
	id := SetHeaders(w)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	io.WriteString(w, InternalErrorText(id))
}

// InternalErrorText is the body of a bare 500 for the request of this id.
func InternalErrorText(id string) string {
	return "Something went wrong. Please make sure the data you entered is correct.\n\nRequest ID: " + id
}

// InsufficientAccess refuses client access where the server's is needed.
func InsufficientAccess() *KnownError {
	return &KnownError{"INSUFFICIENT_ACCESS_TYPE", http.StatusUnauthorized, ordered.Object{{"actual_access_type", "client"}, {"allowed_access_types", []string{"server", "admin"}}},
		"The x-hexclave-access-type header must be 'server' or 'admin', but was 'client'. " + typeHint}
}

// APIKeyNotFound refuses an API key that nobody has.
func APIKeyNotFound() *KnownError {
	return plainError("API_KEY_NOT_FOUND", http.StatusNotFound, "API key not found.")
}

// WrongAPIKeyType refuses an API key at the endpoint of the other type.
func WrongAPIKeyType(expected, actual string) *KnownError {
	return &KnownError{"WRONG_API_KEY_TYPE", http.StatusBadRequest, ordered.Object{{"expected_type", expected}, {"actual_type", actual}},
		"This endpoint is for " + expected + " API keys, but a " + actual + " API key was provided."}
}

// APIKeyRevoked refuses an API key that was revoked.
func APIKeyRevoked() *KnownError {
	return plainError("API_KEY_REVOKED", http.StatusUnauthorized, "API key has been revoked.")
}

// APIKeyExpired refuses an API key that is over.
func APIKeyExpired() *KnownError {
	return plainError("API_KEY_EXPIRED", http.StatusUnauthorized, "API key has expired.")
}
