package protocol

// Reply is one parsed reply line. Its slices alias the line. One value can be parsed into again and again.
//
// The zero value means "could not tell", like a NO without a reason: both are written as ERR unavailable.
type Reply struct {
	// Tag is the tag of the request that is answered, without its "@"; nil if the request had none.
	Tag []byte
	// Status is the outcome.
	Status Status
	// Word is the reason after NO or the code after ERR, not necessarily a known one; empty after OK.
	Word []byte
	// Fields are the name=value words.
	Fields Fields
	// Rest is the JSON object or the text after the fields; empty if there is none.
	Rest []byte
}

// ParseReply parses line, which comes without its LF, into r. It allocates nothing.
//
// The error is a [SyntaxError] and holds nothing of the line; r is then the zero value, except that r.Tag is set when
// the line began with a valid tag. A client that gets an error knows nothing about the token: the outcome is unknown.
func ParseReply(line []byte, r *Reply) error {
	r.reset(nil)
	if len(line) >= MaxReplyLine {
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
func (r *Reply) parse(line []byte) error {
	word, rest, more := cutWord(line)
	switch string(word) {
	case "OK":
		r.Status = OK
		return r.tail(rest, more)
	case "NO":
		r.Status = NO
	case "ERR":
		r.Status = ERR
	default:
		return errStatus
	}
	if word, rest, more = cutWord(rest); !validName(word) {
		return errWord
	}
	r.Word = word
	return r.tail(rest, more)
}

// tail reads the fields, and then the rest, which begins at the first word that is not a field.
func (r *Reply) tail(line []byte, more bool) error {
	for more {
		name, ok := fieldName(line)
		if !ok {
			if !ValidRest(line) {
				return errRest
			}
			r.Rest = line
			return nil
		}
		var value []byte
		var err error
		value, line, more, err = cutValue(line[len(name)+1:])
		if err == nil {
			err = r.Fields.add(name, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reset empties r and sets its tag.
func (r *Reply) reset(tag []byte) {
	r.Tag, r.Status, r.Word, r.Rest = tag, ERR, nil, nil
	r.Fields.clear()
}

// Append appends the reply as a line with its LF. For a reply from [ParseReply] this is the line that was parsed.
//
// Append checks nothing: in a reply put together by hand, Tag has to satisfy [ValidTag], Word has to be a reason or a
// code, and Rest, if any, has to satisfy [ValidRest] and not begin like a field; see [AppendText].
func (r *Reply) Append(dst []byte) []byte {
	dst = appendStatus(dst, r.Tag, r.Status, r.Word)
	dst = r.Fields.append(dst)
	if len(r.Rest) > 0 {
		dst = AppendRest(dst, r.Rest)
	}
	return append(dst, '\n')
}
