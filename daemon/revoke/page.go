package revoke

import (
	"cmp"
	"slices"
	"time"
)

// Entry is a revocation in force, for people who manage revocations.
type Entry struct {
	Mark
	Origin
	// Since is when the revocation was made, or when this host heard of it from its
	// fleet. It is the zero time if an earlier version made the revocation.
	Since time.Time
	// Until is when the revocation ends, unless it is taken back or made again. The
	// zero time: never.
	Until time.Time
}

// Page returns the first n revocations in force that come after the mark after, in the
// order of Mark.Compare. They are those of one project, or of all projects if project
// is "". more reports whether there are more. A revocation that is made or taken back
// while the caller reads the pages is in one page or in none. Every other one is in
// exactly one. Page takes no lock: it does not wait for the disk.
func (l *List) Page(project string, after Mark, n int) (page []Entry, more bool) {
	l.marks.Range(func(k, v any) bool {
		m := k.(Mark)
		if (project == "" || m.Project == project) && m.Compare(after) > 0 {
			page = append(page, l.entry(m, v.(revocation)))
		}
		return true
	})
	slices.SortFunc(page, func(a, b Entry) int { return a.Compare(b.Mark) })
	if len(page) <= n {
		return page, false
	}
	return slices.Clip(page[:n]), true
}

// Projects returns, for each project, how many of its revocations are in force.
func (l *List) Projects() map[string]int {
	all := map[string]int{}
	l.marks.Range(func(k, _ any) bool {
		all[k.(Mark).Project]++
		return true
	})
	return all
}

func (l *List) entry(m Mark, v revocation) Entry {
	e := Entry{Mark: m, Origin: v.origin}
	if v.made != 0 {
		e.Since = time.Unix(v.made, 0)
	}
	if at, never := l.ends(m, v); !never && at != Never {
		e.Until = time.Unix(at, 0)
	}
	return e
}

// Compare orders marks by project, kind and value. The zero Mark comes first.
func (m Mark) Compare(other Mark) int {
	return cmp.Or(cmp.Compare(m.Project, other.Project), cmp.Compare(m.Kind, other.Kind), cmp.Compare(m.Value, other.Value))
}
