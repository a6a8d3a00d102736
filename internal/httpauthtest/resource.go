package httpauthtest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// ResourceCase is a protected resource of client/testdata/httpauth/resources.json, and its metadata.
type ResourceCase struct {
	Name     string
	Resource string
	Servers  []string `json:"authorization_servers"`
	Scopes   []string
	Title    string

	Metadata string   // the address of the document
	Paths    []string // paths that serve the document
	Others   []string // paths that do not
	Document string
}

// Server is the issuer of the tokens for a Case's Resource.
const Server = "https://auth.example.com"

// Resources returns the cases of a file: the valid ones, and the wrong ones.
func Resources(t *testing.T, path string) (right, wrong []ResourceCase) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Resources, Wrong []ResourceCase }
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(file.Resources) == 0 || len(file.Wrong) == 0 {
		t.Fatalf("%s has no cases", path)
	}
	return file.Resources, file.Wrong
}

// PlayResource asks a handler for the case's document at all of its paths, and at other paths, where the status has to
// be elsewhere.
func PlayResource(t *testing.T, c *ResourceCase, h http.Handler, elsewhere int) {
	t.Helper()
	ask := func(method, path string) (status int, header http.Header, body string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "http://elsewhere.example"+path, http.NoBody))
		return w.Code, w.Header(), w.Body.String()
	}
	for _, path := range c.Paths {
		for method, want := range map[string]int{http.MethodGet: 200, http.MethodHead: 200, http.MethodOptions: 204, http.MethodPost: 405} {
			status, header, body := ask(method, path)
			document := ""
			if method == http.MethodGet {
				document = c.Document
			}
			if status != want || body != document || header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s %s: %d %v %s", method, path, status, header, body)
			}
			if status == 200 && (header.Get("Content-Type") != "application/json" || header.Get("Cache-Control") != "public, max-age=300") ||
				status == 204 && (header.Get("Access-Control-Allow-Methods") != "GET, HEAD" || header.Get("Access-Control-Allow-Headers") != "*") {
				t.Errorf("%s %s: %v", method, path, header)
			}
		}
	}
	for _, path := range c.Others {
		if status, _, body := ask(http.MethodGet, path); status != elsewhere || strings.Contains(body, c.Resource) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
