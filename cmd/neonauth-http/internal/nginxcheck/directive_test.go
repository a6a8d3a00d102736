package nginxcheck

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzReadingEnds(f *testing.F) {
	recipes, err := filepath.Glob("../../../../examples/nginx/*.conf")
	if err != nil || len(recipes) == 0 {
		f.Fatal("no recipes: ", err)
	}
	for _, file := range recipes {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a ${b} '\\'' \"\\\"\" # x\n{ }")
	f.Add("a_by_lua_block { { } }")
	f.Fuzz(func(t *testing.T, text string) {
		top := &directive{opens: true, exprs: expressions{}}
		if (&reader{base: "/nowhere"}).text("x.conf", strings.ReplaceAll(text, "include", "exclude"), top, 0) == nil {
			lint(top, Rules{Headers: []string{"X-Auth-User-Id"}, Query: func(string) ([]string, error) { return []string{"Cookie"}, nil }})
		}
	})
}

// A configuration that refers to itself, and one that is large, come to an end.
func TestLargeAndCircularConfigurationsEnd(t *testing.T) {
	t.Parallel()
	circular := "map $a $a { default \"" + strings.Repeat("$a$b", 100) + "\"; }\nmap $b $b { default \"" + strings.Repeat("$b$a", 100) + "\"; }\n"
	var large strings.Builder
	large.WriteString("map $request_uri $bad { default 0; }\nserver { listen 1; auth_request /q; if ($a) { return 400; } if ($bad) { return 400; }\n" +
		"location = /q { internal; proxy_pass http://h/nginx; }\nlocation = /r { internal; proxy_pass http://h/nginx?x=1; }\n")
	for i := range 30 {
		fmt.Fprintf(&large, "location ~ ^/x%d/ { auth_request /r; proxy_set_header Upgrade $a; proxy_pass http://a; }\n", i)
	}
	file := filepath.Join(t.TempDir(), "x.conf")
	if err := os.WriteFile(file, []byte(circular+large.String()+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := Check(file, t.TempDir(), Rules{})
	if err != nil || len(found) < 30 {
		t.Errorf("%d findings: %v", len(found), err)
	}
}
