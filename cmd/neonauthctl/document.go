package main

import (
	"encoding/json"
	"errors"

	"github.com/neonauthd/neonauthd/client"
)

// The JSON documents that --json prints; output.md describes them.

type acceptedDocument struct {
	Outcome string          `json:"outcome"`
	Level   string          `json:"level"`
	Project string          `json:"project"`
	Subject string          `json:"subject"`
	Age     int64           `json:"age"`
	TTL     int64           `json:"ttl"`
	Expires int64           `json:"expires"`
	Source  string          `json:"source"`
	Claims  json.RawMessage `json:"claims,omitempty"`
	Profile json.RawMessage `json:"profile,omitempty"`
}

type rejectedDocument struct {
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

type unknownDocument struct {
	Outcome    string `json:"outcome"`
	Code       string `json:"code"`
	RetryAfter int64  `json:"retry_after"`
	Error      string `json:"error"`
}

type pingDocument struct {
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
}

type helloDocument struct {
	Version  string   `json:"version"`
	Protocol int      `json:"protocol"`
	MaxLine  int      `json:"max_line"`
	InFlight int      `json:"in_flight"`
	Projects []string `json:"projects"`
}

// changeDocument is what revoke, unrevoke and purge print; purge has no
// Changed.
type changeDocument struct {
	Changed *bool `json:"changed,omitempty"`
	Entries int64 `json:"entries"`
}

type levelDocument struct {
	Level string `json:"level"`
}

type okDocument struct {
	OK bool `json:"ok"`
}

// failureDocument is printed in place of any other but a lookup's when the
// command failed.
type failureDocument struct {
	Code       string `json:"code"`
	RetryAfter int64  `json:"retry_after"`
	Error      string `json:"error"`
}

func answerDocument(answer client.Answer) any {
	switch a := answer.(type) {
	case client.Accepted:
		d := acceptedDocument{
			Outcome: "accepted", Level: a.Level.String(), Project: a.Project, Subject: a.Subject,
			Age: int64(a.Age.Seconds()), TTL: int64(a.TTL.Seconds()), Expires: a.Expires.Unix(), Source: a.Source.String(),
		}
		if a.Level == client.LevelProfile {
			d.Profile = a.JSON
		} else {
			d.Claims = a.JSON
		}
		return d
	case client.Rejected:
		return rejectedDocument{Outcome: "rejected", Reason: string(a.Reason)}
	case client.Unknown:
		return unknownDocument{Outcome: "unknown", Code: string(a.Code), RetryAfter: int64(a.RetryAfter.Seconds()), Error: a.Err.Error()}
	}
	return nil
}

func failureOf(err error) failureDocument {
	d := failureDocument{Error: err.Error()}
	var reply *client.ReplyError
	if errors.As(err, &reply) {
		d.Code, d.RetryAfter = string(reply.Code), int64(reply.RetryAfter.Seconds())
	}
	return d
}
