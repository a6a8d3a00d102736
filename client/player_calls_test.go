package client_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

// call starts a call: "ID METHOD name=value...".
func (p *player) call(text string) error {
	parts := strings.Split(text, " ")
	if len(parts) < 2 || p.calls[parts[0]] != nil {
		return errors.New("call needs a new name and a method")
	}
	id, method := parts[0], parts[1]
	var token string
	var opts []client.Option
	for _, word := range parts[2:] {
		name, value, _ := strings.Cut(word, "=")
		value, err := unescape(value)
		if err != nil {
			return err
		}
		number, _ := strconv.Atoi(value)
		switch name {
		case "token":
			token = value
		case "project":
			opts = append(opts, client.WithProject(value))
		case "max-age":
			opts = append(opts, client.MaxAge(time.Duration(number)*time.Second))
		case "heard":
			opts = append(opts, client.Heard(time.Duration(number)*time.Second))
		case "deadline":
			opts = append(opts, client.Deadline(time.Duration(number)*time.Millisecond))
		case "on-behalf-of":
			opts = append(opts, client.OnBehalfOf(value))
		case "fallback":
			opts = append(opts, client.FallbackClaims())
		default:
			return fmt.Errorf("no option is called %q", name)
		}
	}
	if token != "" {
		p.tokens = append(p.tokens, token)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &started{cancel: cancel, result: make(chan any, 1)}
	p.calls[id] = s
	switch method {
	case "verify":
		go func() { s.result <- p.client.Verify(ctx, token, opts...) }()
	case "profile":
		go func() { s.result <- p.client.Profile(ctx, token, opts...) }()
	case "ping":
		go func() { s.result <- p.client.Ping(ctx) }()
	case "hello":
		go func() {
			d, err := p.client.Hello(ctx)
			if err != nil {
				s.result <- err
				return
			}
			s.result <- d
		}()
	default:
		return fmt.Errorf("no method is called %q", method)
	}
	return nil
}

// answer waits for a call and compares: "ID OUTCOME name=value... [json=...]".
func (p *player) answer(text string) error {
	text, json, _ := strings.Cut(text, " json=")
	parts := strings.Split(text, " ")
	s := p.calls[parts[0]]
	if s == nil || len(parts) < 2 {
		return errors.New("no such call")
	}
	var got any
	select {
	case got = <-s.result:
	case <-time.After(testTimeout):
		return errors.New("the call does not return")
	}
	s.cancel()
	delete(p.calls, parts[0])
	if err := p.discreet(got); err != nil {
		return err
	}
	have := facts(got)
	if have["outcome"] != parts[1] {
		return fmt.Errorf("got %v", cut(got))
	}
	for _, word := range parts[2:] {
		name, want, _ := strings.Cut(word, "=")
		want, err := unescape(want)
		if err != nil {
			return err
		}
		if value, ok := have[name]; !ok || value != want {
			return fmt.Errorf("%s is %q, wanted %q; got %v", name, value, want, cut(got))
		}
	}
	if json != "" && have["json"] != json {
		return fmt.Errorf("JSON is %s", cut(have["json"]))
	}
	return nil
}

// facts puts a result into the words of the transcripts.
func facts(got any) map[string]string {
	switch r := got.(type) {
	case client.Accepted:
		return map[string]string{
			"outcome": "accepted", "level": r.Level.String(), "project": r.Project, "subject": r.Subject, "principal": r.Principal,
			"age": strconv.Itoa(int(r.Age.Seconds())), "ttl": strconv.Itoa(int(r.TTL.Seconds())),
			"expires": strconv.FormatInt(r.Expires.Unix(), 10), "source": r.Source.String(), "json": string(r.JSON),
			"heard": strconv.Itoa(int(r.Heard.Seconds())),
		}
	case client.Rejected:
		return map[string]string{"outcome": "rejected", "reason": string(r.Reason)}
	case client.Unknown:
		f := map[string]string{
			"outcome": "unknown", "code": string(r.Code), "cause": cause(r.Err),
			"retry-after": strconv.Itoa(int(r.RetryAfter.Seconds())), "project": "",
		}
		var reply *client.ReplyError
		if errors.As(r.Err, &reply) {
			f["project"] = reply.Project
		}
		return f
	case client.Daemon:
		return map[string]string{
			"outcome": "ok", "version": r.Version, "protocol": strconv.Itoa(r.Protocol),
			"projects": strings.Join(r.Projects, ","), "in-flight": strconv.Itoa(r.InFlight),
		}
	case error:
		var reply *client.ReplyError
		f := map[string]string{"outcome": "failed", "cause": cause(r)}
		if errors.As(r, &reply) {
			f["code"] = string(reply.Code)
		}
		return f
	}
	return map[string]string{"outcome": "ok"}
}

// cause puts an error into the words of the transcripts.
func cause(err error) string {
	for word, sentinel := range map[string]error{
		"unreachable": client.ErrUnreachable, "broken": client.ErrBroken, "garbled": client.ErrGarbled,
		"closed": client.ErrClosed, "cancelled": context.Canceled, "timeout": context.DeadlineExceeded,
	} {
		if errors.Is(err, sentinel) {
			return word
		}
	}
	var reply *client.ReplyError
	if errors.As(err, &reply) {
		return "reply"
	}
	return "none"
}

// discreet checks that no way of printing a result shows a token.
func (p *player) discreet(got any) error {
	texts := []string{fmt.Sprint(got), fmt.Sprintf("%+v", got), fmt.Sprintf("%#v", got), fmt.Sprintf("%q", got), fmt.Sprint(p.client)}
	if u, ok := got.(client.Unknown); ok {
		texts = append(texts, fmt.Sprint(u.Err), fmt.Sprintf("%#v", u.Err), fmt.Sprintf("%+v", reflect.ValueOf(u)))
	}
	for _, text := range texts {
		for _, token := range p.tokens {
			if len(token) >= 5 && strings.Contains(text, token) {
				return errors.New("the result shows the token when printed")
			}
		}
	}
	return nil
}

func cut(v any) string {
	s := fmt.Sprint(v)
	return s[:min(len(s), 200)]
}
