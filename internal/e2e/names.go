package e2e

import "strings"

// HostileNames returns display names that try to break out of the header, line
// or screen in which they are shown.
func HostileNames() []string {
	bytes := ""
	for r := rune(1); r < 256; r++ {
		bytes += string(r)
	}
	return []string{
		"a\r\nX-Auth-User-Id: mallory", "a\nb", "a\rb", "a\x00b", bytes, "\u202egnp.exe", "😀", "a\u2028b", "%0d%0a", "a,b;c=d",
		"\U0001F600\u0301", strings.Repeat("語", 256), " lead and trail ", "\x7f\u0085", "",
	}
}
