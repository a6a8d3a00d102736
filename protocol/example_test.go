package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/neonauthd/neonauthd/protocol"
)

// A daemon reads lines, parses each, and answers even what it cannot parse.
func Example() {
	in := strings.NewReader("@1 PING\nVERIFY  two-spaces\n@2 SING\n")
	lines := protocol.NewLineReader(in, protocol.MaxRequestLine)
	var request protocol.Request
	for {
		line, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		var reply []byte
		if err := protocol.ParseRequest(line, &request); err != nil {
			reply = protocol.AppendStatus(reply, request.Tag, protocol.ERR, string(protocol.CodeBadRequest))
			reply = protocol.AppendText(reply, err.Error())
		} else if protocol.Verb(request.Verb) == protocol.PING {
			reply = protocol.AppendStatus(reply, request.Tag, protocol.OK, "")
		} else {
			reply = protocol.AppendStatus(reply, request.Tag, protocol.ERR, string(protocol.CodeUnknownVerb))
		}
		fmt.Println(string(reply))
	}
	// Output:
	// @1 OK
	// ERR bad-request words must be separated by single spaces
	// @2 ERR unknown-verb
}

// A client keeps the three outcomes apart, and takes a reply that it cannot read for "unknown".
func ExampleParseReply() {
	for _, line := range []string{
		`OK level=claims project=main sub=a%20b age=3 ttl=57 exp=1764000000 source=cache {"sub":"a b"}`,
		"NO expired",
		"ERR unavailable retry-after=5",
		"250 Hello",
	} {
		var reply protocol.Reply
		if err := protocol.ParseReply([]byte(line), &reply); err != nil {
			fmt.Println("unknown:", err)
			continue
		}
		switch reply.Status {
		case protocol.OK:
			raw, _ := reply.Fields.Get(protocol.FieldSubject)
			subject, err := protocol.Value(raw)
			fmt.Printf("accepted: %q %v %s\n", subject, err, reply.Rest)
		case protocol.NO:
			fmt.Printf("rejected: %s\n", reply.Word)
		default:
			raw, _ := reply.Fields.Get(protocol.FieldRetryAfter)
			seconds, err := protocol.Int(raw)
			fmt.Printf("unknown: %s, again in %d s %v\n", reply.Word, seconds, err)
		}
	}
	// Output:
	// accepted: "a b" <nil> {"sub":"a b"}
	// rejected: expired
	// unknown: unavailable, again in 5 s <nil>
	// unknown: a reply begins with OK, NO or ERR
}

// What comes from outside is checked before it is written on a line.
func ExampleRequest_Append() {
	for _, token := range []string{"eyJ.eyJ.c2ln", "eyJ.eyJ.c2ln\nQUIT"} {
		if !protocol.ValidWord([]byte(token)) {
			fmt.Println("not sent")
			continue
		}
		request := protocol.Request{Tag: []byte("1"), Verb: []byte(protocol.VERIFY), NArgs: 1}
		request.Args[0] = []byte(token)
		if err := request.Fields.Add(protocol.FieldProject, protocol.AppendValue(nil, "main")); err != nil {
			fmt.Println(err)
		}
		fmt.Printf("%q\n", request.Append(nil))
	}
	// Output:
	// "@1 VERIFY project=main eyJ.eyJ.c2ln\n"
	// not sent
}

func ExampleAppendValue() {
	raw := protocol.AppendValue(nil, "Zoë 100%")
	back, err := protocol.Value(raw)
	fmt.Println(string(raw), back, err)
	_, err = protocol.Value(bytes.ToLower(raw))
	fmt.Println(err)
	// Output:
	// Zo%C3%AB%20100%25 Zoë 100% <nil>
	// field value is not canonically percent-encoded
}
