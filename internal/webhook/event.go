package webhook

import (
	"errors"
	"strings"
	"unicode"

	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// Kind is what an event is about, from a closed list: it can be a label.
type Kind string

// The kinds of event that say something of a user. See Kinds.
const (
	UserCreated       Kind = "user.created"
	UserUpdated       Kind = "user.updated"
	UserDeleted       Kind = "user.deleted"
	TeamMembership    Kind = "team_membership"    // created, deleted, and what may come
	TeamPermission    Kind = "team_permission"    // likewise
	ProjectPermission Kind = "project_permission" // likewise
	// Other is every event that says nothing of a user, known or not.
	Other Kind = "other"
)

// Kinds returns the kinds that there are.
func Kinds() []Kind {
	return []Kind{UserCreated, UserUpdated, UserDeleted, TeamMembership, TeamPermission, ProjectPermission, Other}
}

// member is the member of data that holds the user's id; "" for events without
// a user.
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

// kindOf is what an event of that name is about.
func kindOf(name string) Kind {
	about, _, _ := strings.Cut(name, ".")
	for _, kind := range Kinds() {
		if kind != Other && (string(kind) == name || string(kind) == about) {
			return kind
		}
	}
	return Other
}

// Event is what the body of a signed delivery says. The zero value says nothing.
type Event struct {
	Kind Kind
	User string // the id of the user; "" with Other
}

// ErrBody says that a body is not that of an event, or not of one reading: it is
// no JSON, a member stands twice in it, or a user's event names no user.
var ErrBody = errors.New("not an event")

// maxDepth is how deep a body nests at most. Metadata are an application's own.
const maxDepth = 64

// MaxUser is the longest id of a user, in bytes; the daemon takes no longer one.
const MaxUser = 512

// ParseEvent reads a body, which must have been signed. Of all that it says of a
// user it takes the id and nothing else.
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

// idsIn are the texts among the members of an object, which has been judged, that
// can name a user.
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
