package webhook

import (
	"errors"
	"strings"
	"unicode"

	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// Kind is the kind of an event. The list is closed, so that it can be a metric label.
type Kind string

// The kinds of events that are about a user. See Kinds.
const (
	UserCreated       Kind = "user.created"
	UserUpdated       Kind = "user.updated"
	UserDeleted       Kind = "user.deleted"
	TeamMembership    Kind = "team_membership"    // created, deleted, and later ones
	TeamPermission    Kind = "team_permission"    // likewise
	ProjectPermission Kind = "project_permission" // likewise
	// Other is any other event.
	Other Kind = "other"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{UserCreated, UserUpdated, UserDeleted, TeamMembership, TeamPermission, ProjectPermission, Other}
}

// member returns the name of the member of data with the user's id; "" for events that are
// not about a user.
func (k Kind) member() string {
	switch k {
	case UserCreated, UserUpdated, UserDeleted:
		return "id"
	case TeamMembership, TeamPermission, ProjectPermission:
		return "user_id"
	default:
		return ""
	}
}

// kindOf returns the kind of an event from its name.
func kindOf(name string) Kind {
	about, _, _ := strings.Cut(name, ".")
	for _, kind := range Kinds() {
		if kind != Other && (string(kind) == name || string(kind) == about) {
			return kind
		}
	}
	return Other
}

// Event is the contents of a signed body. The zero value is no event.
type Event struct {
	Kind Kind
	User string // the id of the user; "" with Other
}

// ErrBody means that a body is not an event: it is not JSON, a member is there twice, or an
// event about a user has no user id.
var ErrBody = errors.New("not an event")

// maxDepth is the deepest nesting of a body. Applications put metadata into profiles.
const maxDepth = 64

// MaxUser is the longest id of a user, in bytes. The daemon accepts no longer ones.
const MaxUser = 512

// ParseEvent reads the body of a delivery. The caller has to check the signature first. Of
// the user's data ParseEvent reads the id only.
func ParseEvent(body []byte) (Event, error) {
	var name string
	var ids map[string]string
	rules := strictjson.Rules{MaxDepth: maxDepth, Read: strictjson.NewNames("type", "data")}
	err := rules.Members(body, func(member []byte, value strictjson.Value) error {
		switch string(member) {
		case "type":
			name, _ = strictjson.Text(value)
		case "data":
			ids = idsIn(value)
		}
		return nil
	})
	if err != nil || name == "" {
		return Event{}, ErrBody
	}
	kind := kindOf(name)
	if kind == Other {
		return Event{Kind: Other}, nil
	}
	user := ids[kind.member()]
	if user == "" || len(user) > MaxUser || strings.ContainsFunc(user, unicode.IsControl) {
		return Event{}, ErrBody
	}
	return Event{kind, user}, nil
}

// idsIn returns the members of data that can be the id of a user.
func idsIn(data strictjson.Value) map[string]string {
	ids := map[string]string{}
	strictjson.Each(data, func(name []byte, value strictjson.Value) {
		switch string(name) {
		case "id", "user_id":
			if text, exact := strictjson.Text(value); exact {
				ids[string(name)] = text
			}
		}
	})
	return ids
}
