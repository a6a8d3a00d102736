package packaging_test

import (
	"regexp"
	"testing"
)

func TestEveryPackageHasTheChangelogsVersion(t *testing.T) {
	version := func(name, pattern string) string {
		t.Helper()
		match := regexp.MustCompile(pattern).FindStringSubmatch(read(t, name))
		if match == nil {
			t.Fatalf("%s names no version", name)
		}
		return match[1]
	}
	want := version("../CHANGELOG.md", `(?m)^## (\S+)`)
	for name, pattern := range map[string]string{
		"../client/node/package.json":     `"version": "([^"]+)"`,
		"../client/python/pyproject.toml": `(?m)^version = "([^"]+)"`,
	} {
		if got := version(name, pattern); got != want {
			t.Errorf("%s is of version %s, the changelog's newest is %s", name, got, want)
		}
	}
}
