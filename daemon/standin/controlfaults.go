package standin

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
)

// maxFaultSize bounds what one faulted answer may be asked to write.
const maxFaultSize = 4 << 30

// faultForm is a [Fault] as JSON; durations are texts such as "300ms".
type faultForm struct {
	Endpoint    Endpoint          `json:"endpoint"`
	Kind        Kind              `json:"kind"`
	Times       int               `json:"times"`
	Latency     string            `json:"latency"`
	Status      int               `json:"status"`
	Code        string            `json:"code"`
	RetryAfter  string            `json:"retry_after"`
	XRetryAfter string            `json:"x_retry_after"`
	Location    string            `json:"location"`
	Header      map[string]string `json:"header"`
	Body        string            `json:"body"`
	Size        int64             `json:"size"`
	Interval    string            `json:"interval"`
	Subject     string            `json:"subject"`
}

// fault checks the form and converts it.
func (f faultForm) fault() (Fault, error) {
	latency, err := duration(f.Latency)
	if err != nil {
		return Fault{}, err
	}
	interval, err := duration(f.Interval)
	if err != nil {
		return Fault{}, err
	}
	if f.Kind == "" {
		f.Kind = Delay
	}
	switch {
	case !slices.Contains(Endpoints(), f.Endpoint):
		return Fault{}, errors.New("unknown endpoint")
	case !slices.Contains(Kinds(), f.Kind):
		return Fault{}, errors.New("unknown kind")
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return Fault{}, errors.New("status is not between 200 and 599")
	case f.Times < 0 || f.Size < 0 || f.Size > maxFaultSize || latency < 0 || interval < 0:
		return Fault{}, errors.New("a number is out of range")
	}
	header := http.Header{}
	for name, value := range f.Header {
		header.Set(name, value)
	}
	return Fault{Kind: f.Kind, Times: f.Times, Latency: latency, Status: f.Status, Code: f.Code,
		RetryAfter: f.RetryAfter, XRetryAfter: f.XRetryAfter, Location: f.Location, Header: header, Body: f.Body,
		Size: f.Size, Interval: interval, Subject: f.Subject}, nil
}

func (s *Standin) controlInject(r *http.Request) (any, error) {
	var form faultForm
	if err := readForm(r, &form); err != nil {
		return nil, err
	}
	fault, err := form.fault()
	if err != nil {
		return nil, err
	}
	s.faults.mu.Lock()
	full := len(s.faults.queue[form.Endpoint]) >= maxFaults
	s.faults.mu.Unlock()
	if full {
		return nil, errFull
	}
	s.Inject(form.Endpoint, fault)
	return nil, nil
}

func (s *Standin) controlClear(r *http.Request) (any, error) {
	e := Endpoint(r.URL.Query().Get("endpoint"))
	switch {
	case e == "":
		s.ClearAll()
	case slices.Contains(Endpoints(), e):
		s.Clear(e)
	default:
		return nil, errors.New("unknown endpoint")
	}
	return nil, nil
}

// controlConfig writes configuration for the daemon as text.
func (s *Standin) controlConfig(w http.ResponseWriter, r *http.Request) {
	presets := []Preset{Stack, Neon, OIDC}
	if p := Preset(r.URL.Query().Get("preset")); p != "" {
		if !slices.Contains(presets, p) {
			writeControl(w, nil, errors.New("unknown preset"))
			return
		}
		presets = []Preset{p}
	}
	keyFile := r.URL.Query().Get("key_file")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, p := range presets {
		w.Write([]byte(s.ConfigBlock(p, keyFile)))
	}
}

// ConfigBlock is a [[project]] block of the daemon's configuration for this stand-in. KeyFile is where
// the secret server key lies; empty: ./standin-server-key, with a comment that tells how to make it.
func (s *Standin) ConfigBlock(p Preset, keyFile string) string {
	comment := ""
	if keyFile == "" {
		keyFile = "./standin-server-key"
		comment = "# printf %s '" + s.options.ServerKey + "' > standin-server-key\n"
	}
	block := "[[project]]\nname = " + strconv.Quote(string(p)) + "\npreset = " + strconv.Quote(string(p)) +
		"\nbase_url = " + strconv.Quote(s.ServiceURL(p)) + "\n"
	switch p {
	case Stack:
		block += "project_id = " + strconv.Quote(s.options.ProjectID) + "\n" +
			comment + "secret_server_key = " + strconv.Quote(keyFile) + "\n"
	case Neon:
		block += "logout_client_ids = [" + strconv.Quote(s.options.Client) + "]\n"
	case OIDC:
		block += "audiences = [" + strconv.Quote(s.options.Audience) + "]\nalgorithms = ["
		for i, alg := range mint.Algorithms() {
			if i > 0 {
				block += ", "
			}
			block += strconv.Quote(alg)
		}
		block += "]\n"
	}
	return block + "\n"
}
