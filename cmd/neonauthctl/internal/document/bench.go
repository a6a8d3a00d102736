package document

// Bench is the document of bench.
type Bench struct {
	Verb         string `json:"verb"`
	Connections  int    `json:"connections"`
	Depth        int    `json:"depth"`
	Tagged       bool   `json:"tagged"`
	MissPercent  int    `json:"miss_percent"`
	BadPercent   int    `json:"bad_percent"`
	RequestBytes int    `json:"request_bytes"`
	ReplyBytes   int    `json:"reply_bytes"`
	Daemon       Tally  `json:"daemon"`
	Baseline     *Tally `json:"baseline,omitempty"`
	Ratio        *Ratio `json:"ratio,omitempty"`

	Compare *Compare `json:"compare,omitempty"`
}

// Compare is another store that was measured.
type Compare struct {
	Store    string `json:"store"`
	Measured Tally  `json:"measured"`
	Ratio    Ratio  `json:"ratio"`
}

// Tally is the measurement of one server. Durations are in seconds.
type Tally struct {
	Seconds  float64           `json:"seconds"`
	Requests uint64            `json:"requests"`
	Rate     float64           `json:"rate"`
	P50      float64           `json:"p50"`
	P99      float64           `json:"p99"`
	P999     float64           `json:"p999"`
	Max      float64           `json:"max"`
	Accepted uint64            `json:"accepted"`
	Rejected uint64            `json:"rejected"`
	Unknown  uint64            `json:"unknown"`
	Words    map[string]uint64 `json:"words"`
}

// Ratio is the daemon's figures divided by those of another server.
type Ratio struct {
	Rate float64 `json:"rate"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
}
