package authrequest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/internal/span"
)

func TestTheGuideNamesTheLimits(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		fmt.Sprintf("| requests in progress, of one visitor | %d, %d | 503 `%s` |", maxInFlight, maxPerVisitor, reasonBusy),
		fmt.Sprintf("| head of a request | %d bytes |", maxHeader),
		fmt.Sprintf("| time for the head of a request, for all of it | %s, %s |", span.String(headTimeout), span.String(readTimeout)),
		fmt.Sprintf("| name of a visitor | %d bytes |", maxVisitor),
		fmt.Sprintf("| places in which one request is searched for a token | %d | 500 `%s` |", maxPlaces, reasonFault),
		fmt.Sprintf("| name of a header or cookie that has a token | %d bytes |", httpauth.MaxPlaceName),
		fmt.Sprintf("| scopes that a location requires, and each | %d, %d bytes |", httpauth.MaxScopes, httpauth.MaxScope),
		fmt.Sprintf("| identity headers | %d bytes | claims that do not fit beside the name are left out, and so is a name that does not fit; otherwise the user gets 403 `%s` |", maxIdentity, reasonTooLarge),
		fmt.Sprintf("| `%s` | %d bytes |", returnHeader, maxReturn),
		fmt.Sprintf("| configuration file | %d bytes |", maxConfig),
		fmt.Sprintf("| `[[resource]]` tables | %d |", maxResources),
	} {
		if !strings.Contains(string(guide), "\n"+row) {
			t.Errorf("the guide lacks %q", row)
		}
	}
}
