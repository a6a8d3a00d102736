package protocol

// Request is one parsed request line. Its slices alias the line. The zero value is an empty request; one value can be
// parsed into again and again.
type Request struct {
	// Tag is the client's mark, without its "@"; nil when the request has none.
	Tag []byte
	// Verb is 1 to MaxName upper-case letters, not necessarily a known verb.
	Verb []byte
	// Fields are the name=value words.
	Fields Fields
	// Args holds the arguments; the first NArgs are set.
	Args [MaxArguments][]byte
	// NArgs is the number of arguments, 0 to MaxArguments.
	NArgs int
}

// ParseRequest parses line, which comes without its LF, into r. It allocates nothing.
//
// The error is a [SyntaxError] and holds nothing of the line. After an error r is empty, except that r.Tag is set when
// the line began with a valid tag: the answer has to carry it. The meaning of verb, fields and arguments is not checked.
func ParseRequest(line []byte, r *Request) error {
	r.reset(nil)
	if len(line) >= MaxRequestLine {
		return ErrLineTooLong
	}
	tag, rest, err := cutTag(line)
	if err == nil {
		err = r.parse(rest)
	}
	if err != nil {
		r.reset(tag)
		return err
	}
	r.Tag = tag
	return nil
}

// parse reads everything after the tag.
func (r *Request) parse(line []byte) error {
	if len(line) == 0 {
		return errEmpty
	}
	word, rest, more := cutWord(line)
	switch {
	case len(word) == 0:
		return errSpace
	case !visible(word):
		return errByte
	case !validVerb(word):
		return errVerb
	}
	r.Verb = word
	for more {
		word, rest, more = cutWord(rest)
		if err := r.word(word); err != nil {
			return err
		}
	}
	return nil
}

// word takes one word after the verb. The words before the first word that is not a field are fields; that word and all
// words after it are arguments.
func (r *Request) word(word []byte) error {
	if len(word) == 0 {
		return errSpace
	}
	if r.NArgs == 0 {
		if name, ok := fieldName(word); ok {
			value := word[len(name)+1:]
			if err := checkValue(value); err != nil {
				return err
			}
			return r.Fields.add(name, value)
		}
	}
	if !visible(word) {
		return errByte
	}
	if r.NArgs == MaxArguments {
		return errArguments
	}
	r.Args[r.NArgs] = word
	r.NArgs++
	return nil
}

// reset empties r and sets its tag.
func (r *Request) reset(tag []byte) {
	r.Tag, r.Verb, r.NArgs = tag, nil, 0
	r.Args = [MaxArguments][]byte{}
	r.Fields.clear()
}

// Append appends the request as a line with its LF. For a request from [ParseRequest] this is the line that was parsed.
//
// Append checks nothing: in a request put together by hand, Tag has to satisfy [ValidTag], Verb has to be one of the
// verbs, the first argument has to satisfy [ValidWord], and a second one has to be visible ASCII. [Fields.Add] checks
// the fields.
func (r *Request) Append(dst []byte) []byte {
	dst = appendTag(dst, r.Tag)
	dst = append(dst, r.Verb...)
	dst = r.Fields.append(dst)
	for _, arg := range r.Args[:r.NArgs] {
		dst = append(dst, ' ')
		dst = append(dst, arg...)
	}
	return append(dst, '\n')
}
