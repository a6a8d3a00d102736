package protocol

// Fields are the name=value words of one line, in their order. The zero value has none. Names are unique; there are at
// most [MaxFields]. Values are kept as they stand on the line, percent-encoded; see [Value].
type Fields struct {
	n     int
	words [MaxFields]field
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
		if string(f.words[i].name) == name {
			return f.words[i].value, true
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
	return f.add([]byte(name), raw)
}

// add appends a field whose name is known to consist of name bytes.
func (f *Fields) add(name, value []byte) error {
	switch {
	case len(name) > MaxName:
		return errName
	case !visible(value):
		return errByte
	case !canonical(value):
		return errValue
	case f.n == MaxFields:
		return errFields
	}
	for i := range f.words[:f.n] {
		if string(f.words[i].name) == string(name) {
			return errDuplicate
		}
	}
	f.words[f.n] = field{name, value}
	f.n++
	return nil
}

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
