package upstream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	secret := NewSecret(serverKey)
	type holder struct {
		Shown  Secret
		hidden Secret
		deep   map[string]*Secret
	}
	all := []any{secret, &secret, holder{secret, secret, map[string]*Secret{"a": &secret}}, []Secret{secret}, [1]any{secret},
		map[Secret]int{secret: 1}, stackConfig("https://example.com"), fmt.Errorf("x: %v", secret)}
	for _, v := range all {
		for _, verb := range strings.Split("v +v #v s +s #s q #q x X #x d b o c U e g f t p T w 10s .3s", " ") {
			if text := fmt.Sprintf("%"+verb, v); strings.Contains(text, "canary") || strings.Contains(text, "63616e617279") {
				t.Errorf("%%%s of %T: %s", verb, v, text)
			}
		}
		if text, err := json.Marshal(v); err == nil && bytes.Contains(text, []byte("canary")) {
			t.Errorf("JSON of %T: %s", v, text)
		}
		var out bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("x", "secret", v)
		}
		if strings.Contains(out.String(), "canary") {
			t.Errorf("log of %T: %s", v, out.String())
		}
	}
	for _, verb := range []string{"v", "s", "q", "d", "#v"} {
		if text := fmt.Sprintf("%"+verb, secret); text != redacted {
			t.Errorf("%%%s: %s", verb, text)
		}
	}
	if secret.Reveal() != serverKey || secret.Empty() {
		t.Error("the secret is lost")
	}
	if zero := NewSecret(""); !zero.Empty() || zero.Reveal() != "" || zero != (Secret{}) || fmt.Sprint(zero) != redacted {
		t.Error("no secret is not the zero Secret")
	}
}

func TestSecretsAreRevealedWhereTheyAreSent(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var places []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for range strings.Count(string(text), ".Reveal()") {
			places = append(places, file)
		}
	}
	if !slices.Equal(places, []string{"introspect.go", "stack.go"}) {
		t.Errorf("revealed in %v", places)
	}
}
