package protocol

// Fields are the name=value words of one line, in their order. The zero value has none. Names are unique; there are at
// most [MaxFields]. Values are kept as they stand on the line, percent-encoded; see [Value].
type Fields struct {
	n        int
	initials uint32 // a bit for the first letter of each name, so that most names need no comparison
	words    [MaxFields]field
}

type field struct{ name, value []byte }

// Len returns the number of fields.
func (f *Fields) Len() int { return f.n }

// At returns field i, counted from 0, with its value as it stands on the line. It panics unless 0 <= i < Len().
func (f *Fields) At(i int) (name, value []byte) {
	w := &f.words[:f.n][i]
	return w.name, w.value
}

// Get returns the value of the field called name as it stands on the line, and whether there is one.
func (f *Fields) Get(name string) (raw []byte, ok bool) {
	for i := range f.words[:f.n] {
		w := &f.words[i]
		// No name is empty. Many names have the same length, but few of these have the same first letter.
		if len(w.name) == len(name) && w.name[0] == name[0] && string(w.name) == name {
			return w.value, true
		}
	}
	return nil, false
}

// Add adds a field whose value is already encoded (see [AppendValue]). It changes nothing and returns a [SyntaxError]
// when the name or value is not valid, the name is there already, or there are [MaxFields]. It copies name and keeps
// raw; [AppendField] writes a field without any copy.
func (f *Fields) Add(name string, raw []byte) error {
	if !validName([]byte(name)) {
		return errName
	}
	if err := checkValue(raw); err != nil {
		return err
	}
	return f.add([]byte(name), raw)
}

// add appends a field whose name is known to consist of name bytes, and whose value has been checked.
func (f *Fields) add(name, value []byte) error {
	if len(name) > MaxName {
		return errName
	}
	if f.n == MaxFields {
		return errFields
	}
	initial := uint32(1) << (name[0] & 31)
	if f.initials&initial != 0 {
		if _, twice := f.Get(string(name)); twice {
			return errDuplicate
		}
	}
	f.words[f.n] = field{name, value}
	f.n++
	f.initials |= initial
	return nil
}

// clear makes f empty again.
func (f *Fields) clear() { f.n, f.initials = 0, 0 }

// append writes each field with a space before it.
func (f *Fields) append(dst []byte) []byte {
	for i := range f.words[:f.n] {
		dst = append(dst, ' ')
		dst = append(dst, f.words[i].name...)
		dst = append(dst, '=')
		dst = append(dst, f.words[i].value...)
	}
	return dst
}
