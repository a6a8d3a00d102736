package hooks

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/secretfile"
)

func TestConfigurationsAreRefusedInWords(t *testing.T) {
	main := func(secrets string) string { return "[[project]]\nname = \"main\"\nsecrets = " + secrets + "\n" }
	var many strings.Builder
	for i := range MaxProjects + 1 {
		fmt.Fprintf(&many, "[[project]]\nname = \"p%d\"\nsecrets = [\"./s%d\"]\n", i, i)
	}
	lines := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, secretOf(string(rune('a'+i))))
		}
		return strings.Join(all, "\n") + "\n"
	}
	for name, c := range map[string]struct {
		text    string
		files   map[string]string
		message string // "": it is accepted
	}{
		"one":                        {main(`["./s"]`), map[string]string{"s": secretOf("a")}, ""},
		"two in one file":            {main(`["./s"]`), map[string]string{"s": lines(2)}, ""},
		"two files":                  {main(`["./s", "./t"]`), map[string]string{"s": secretOf("a"), "t": secretOf("b")}, ""},
		"as many as can be":          {main(`["./s"]`), map[string]string{"s": lines(MaxSecrets)}, ""},
		"one too many":               {main(`["./s"]`), map[string]string{"s": lines(MaxSecrets + 1)}, "secrets: 9 of them, and there can be 8"},
		"the same twice":             {main(`["./s", "./t"]`), map[string]string{"s": secretOf("a"), "t": secretOf("a")}, "there twice"},
		"nothing":                    {"", nil, "there is no [[project]] table"},
		"too many projects":          {many.String(), nil, "at most 64 [[project]] tables"},
		"an unknown key":             {main(`["./s"]`) + "secret = \"x\"\n", nil, `unknown key "project.secret"; did you mean "secrets"?`},
		"no name":                    {"[[project]]\nsecrets = [\"./s\"]\n", nil, "name: must be the name that the project has in neonauthd.toml"},
		"a path for a name":          {"[[project]]\nname = \"a/b\"\n", nil, "name: must be the name"},
		"dots for a name":            {"[[project]]\nname = \"..\"\n", nil, "name: must be the name"},
		"a name twice":               {main(`["./s"]`) + main(`["./t"]`), map[string]string{"s": secretOf("a"), "t": secretOf("b")}, "there is a table for main already"},
		"a secret of two projects":   {main(`["./s"]`) + strings.Replace(main(`["./t"]`), "main", "other", 1), map[string]string{"s": lines(2), "t": secretOf("b")}, "is one of project main too"},
		"no secrets":                 {main(`[]`), nil, "the list is empty"},
		"an empty source":            {main(`[""]`), nil, "must be names of credentials, or paths"},
		"a path without a dot":       {main(`["a/b"]`), nil, "must be a credential name without"},
		"the secret itself":          {main(`["` + secretOf("a") + `"]`), nil, "this is a secret itself"},
		"a file that is not there":   {main(`["./s"]`), nil, "no such file"},
		"an empty file":              {main(`["./s"]`), map[string]string{"s": ""}, "is empty"},
		"an empty line":              {main(`["./s"]`), map[string]string{"s": secretOf("a") + "\n\n" + secretOf("b")}, "s, line 2: the secret does not begin with whsec_"},
		"short":                      {main(`["./s"]`), map[string]string{"s": "whsec_c2hvcnQ="}, "s, line 1: the secret is of 5 bytes, and has to be of 24 at least"},
		"empty behind its beginning": {main(`["./s"]`), map[string]string{"s": "whsec_"}, "the secret is of 0 bytes"},
		"lines of Windows":           {main(`["./s"]`), map[string]string{"s": secretOf("a") + "\r\n"}, "s, line 1: the secret is not base64"},
		"another's secret":           {main(`["./s"]`), map[string]string{"s": "ssk_x"}, "the secret does not begin with whsec_"},
		"a credential, delivered":    {"[[project]]\nname = \"main\"\n", map[string]string{Credential: secretOf("a")}, ""},
		"a credential, by name":      {main(`["` + Credential + `"]`), map[string]string{Credential: secretOf("a")}, ""},
		"a credential, misspelt":     {main(`["webhook-secrt"]`), map[string]string{Credential: secretOf("a")}, "no such file"},
	} {
		path := configured(t, c.text, c.files)
		dir := strings.TrimSuffix(path, "/hooks.toml")
		if _, delivered := c.files[Credential]; delivered {
			t.Setenv(secretfile.Directory, dir)
		} else {
			t.Setenv(secretfile.Directory, "")
		}
		set, err := Load(path)
		if c.message == "" && (err != nil || len(set.Projects()) != 1) || c.message != "" && (err == nil || !strings.Contains(err.Error(), c.message)) {
			t.Errorf("%s: %v, want %q", name, err, c.message)
		}
		if err != nil && (strings.Contains(err.Error(), "YWFh") || strings.Count(err.Error(), path) != 1) {
			t.Errorf("%s: the error tells the secret, or not where: %v", name, err)
		}
	}
	path := configured(t, main(`["./s"]`), map[string]string{"s": secretOf("a")})
	if err := os.Chmod(strings.TrimSuffix(path, "hooks.toml")+"s", 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "mode 0640") {
		t.Errorf("others may read the secret: %v", err)
	}
	if _, err := Load(configured(t, strings.Repeat("#", maxConfig+1), nil)); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a long file: %v", err)
	}
	if _, err := Load("/nowhere/hooks.toml"); err == nil || strings.Count(err.Error(), "/nowhere/hooks.toml") != 1 {
		t.Errorf("no file: %v", err)
	}
	t.Setenv(secretfile.Directory, "")
	if _, err := Load(configured(t, "[[project]]\nname = \"main\"\n", nil)); err == nil || !strings.Contains(err.Error(), "LoadCredential=") {
		t.Errorf("nobody delivers credentials: %v", err)
	}
}

// TestTheShippedConfigurationLacksAProjectAndShowsEverySetting: the shown
// settings, with their comment signs removed, are accepted.
func TestTheShippedConfigurationLacksAProjectAndShowsEverySetting(t *testing.T) {
	text, err := os.ReadFile("../../../../packaging/neonauth-http-hooks.toml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(configured(t, string(text), nil)); err == nil || !strings.Contains(err.Error(), "there is no [[project]] table") {
		t.Errorf("as shipped: %v", err)
	}
	path := configured(t, regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(string(text), "$1"), map[string]string{Credential: secretOf("a")})
	t.Setenv(secretfile.Directory, filepath.Dir(path))
	set, err := Load(path)
	if err != nil || !slices.Equal(set.Projects(), []string{"main"}) {
		t.Errorf("with its settings on: %v", err)
	}
	keys := reflect.TypeFor[projectTable]()
	for i := range keys.NumField() {
		if name := keys.Field(i).Tag.Get("toml"); !strings.Contains(string(text), "\n#"+name+" = ") {
			t.Errorf("it does not show %s", name)
		}
	}
}
