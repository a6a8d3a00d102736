package nginxcheck

import "strings"

// request is a request that a visitor could send, as far as the check follows
// it.
type request struct {
	method string
	target string            // path and query as they are sent
	uri    string            // the path as nginx reads it: decoded and resolved
	header map[string]string // by NAME of $http_NAME
	steps  int               // variables expanded so far
}

// mapDepth bounds the nesting of maps whose values are variables of other maps.
// maxSteps bounds the variables that are expanded for one request. What is
// beyond these limits counts as not known.
const (
	mapDepth = 8
	maxSteps = 1000
)

// expand returns text with its variables replaced, as they are at d. It returns
// false if the check does not know one of them.
func (r *request) expand(d *directive, text string, depth int) (string, bool) {
	if depth == 0 || r.steps > maxSteps {
		return "", false
	}
	var out strings.Builder
	known := true
	for text != "" {
		before, rest, found := strings.Cut(text, "$")
		out.WriteString(before)
		if !found {
			break
		}
		name, after := variableName(rest)
		r.steps++
		value, ok := r.variable(d, name, depth)
		out.WriteString(value)
		known = known && ok
		text = after
	}
	return out.String(), known
}

// variableName splits what follows a "$" into the name, in braces or not, and
// the rest.
func variableName(text string) (name, rest string) {
	if inner, ok := strings.CutPrefix(text, "{"); ok {
		if name, rest, ok = strings.Cut(inner, "}"); ok {
			return name, rest
		}
	}
	n := strings.IndexFunc(text, func(c rune) bool {
		return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
	if n < 0 {
		n = len(text)
	}
	return text[:n], text[n:]
}

func (r *request) variable(d *directive, name string, depth int) (string, bool) {
	_, query, _ := strings.Cut(r.target, "?")
	switch name {
	case "request_uri":
		return r.target, true
	case "uri", "document_uri":
		return r.uri, true
	case "args", "query_string":
		return query, true
	case "request_method":
		return r.method, true
	}
	if header, ok := strings.CutPrefix(name, "http_"); ok {
		return r.header[header], true
	}
	for b := d; b != nil; b = b.parent {
		for _, m := range b.find("map") {
			if len(m.args) == 2 && m.args[1] == "$"+name {
				return r.look(m, depth-1)
			}
		}
	}
	return "", false
}

// look returns the value of a map: strings first, ignoring case, then regular
// expressions in order, then the default.
func (r *request) look(m *directive, depth int) (string, bool) {
	source, known := r.expand(m, m.args[0], depth)
	value := ""
	for _, row := range m.block {
		if row.name == "default" && len(row.args) == 1 {
			value = row.args[0]
		}
	}
	for _, row := range m.block {
		if pattern, ok := strings.CutPrefix(row.name, "~"); ok && len(row.args) == 1 && m.exprs.matches(pattern, source) {
			value = row.args[0]
			break
		}
	}
	for _, row := range m.block {
		if len(row.args) == 1 && row.name != "default" && strings.EqualFold(row.name, source) {
			value = row.args[0]
		}
	}
	value, ok := r.expand(m, value, depth)
	return value, known && ok
}

// holds reports whether the condition of an if is met; false if the check does
// not know.
func (r *request) holds(branch *directive) bool {
	words := strings.Fields(strings.Join(branch.args, " "))
	if len(words) == 0 {
		return false
	}
	words[0] = strings.TrimPrefix(words[0], "(")
	last := len(words) - 1
	words[last] = strings.TrimSuffix(words[last], ")")
	if words[last] == "" {
		words = words[:last]
	}
	if len(words) == 0 {
		return false
	}
	value, known := r.expand(branch, words[0], mapDepth)
	if !known {
		return false
	}
	if len(words) == 1 {
		return value != "" && value != "0"
	}
	operand := strings.Join(words[2:], " ")
	switch operator := words[1]; operator {
	case "=", "!=":
		other, ok := r.expand(branch, operand, mapDepth)
		return ok && (value == other) == (operator == "=")
	case "~", "!~":
		return branch.exprs.matches(operand, value) == (operator == "~")
	case "~*", "!~*":
		return branch.exprs.matches("*"+operand, value) == (operator == "~*")
	}
	return false
}

// returned returns the first return that nginx runs in a block for this request
// before auth_request; nil if there is none.
func (r *request) returned(block *directive) *directive {
	for _, d := range block.block {
		switch {
		case d.name == "return" && len(d.args) > 0:
			return d
		case d.name == "if" && d.opens && r.holds(d):
			if found := r.returned(d); found != nil {
				return found
			}
		}
	}
	return nil
}
