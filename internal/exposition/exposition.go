// Package exposition writes metrics in Prometheus' text format (version 0.0.4).
package exposition

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/metrics"
)

// ContentType is the content type of a page.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// The types of metrics, as the format names them.
const (
	Counter   = "counter"
	Gauge     = "gauge"
	Histogram = "histogram"
)

// Page is a page of metrics. Labels must come from closed lists and the
// configuration: with values from callers the number of labels would have no bound. The
// zero value is an empty page. A Page is not safe for concurrent use.
type Page struct{ bytes.Buffer }

// Family begins a metric: its samples follow.
func (p *Page) Family(name, kind, help string) {
	fmt.Fprintf(p, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// Sample writes one value under labels, given as pairs of name and value.
func (p *Page) Sample(name string, value float64, labels ...string) {
	p.WriteString(name)
	sep := byte('{')
	for i := 0; i+1 < len(labels); i += 2 {
		p.WriteByte(sep)
		p.WriteString(labels[i] + `="` + escape(labels[i+1]) + `"`)
		sep = ','
	}
	if len(labels) > 0 {
		p.WriteByte('}')
	}
	p.WriteByte(' ')
	p.Write(strconv.AppendFloat(p.AvailableBuffer(), value, 'g', -1, 64))
	p.WriteByte('\n')
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
}

// Single writes a metric that has one sample.
func (p *Page) Single(name, kind, help string, value float64) {
	p.Family(name, kind, help)
	p.Sample(name, value)
}

// Process adds the library's metrics of the process and of Go that are useful to an
// operator.
func (p *Page) Process() {
	wanted := [][3]string{
		{"process_cpu_seconds_total", Counter, "CPU time used."},
		{"process_resident_memory_bytes", Gauge, "Resident memory."},
		{"process_virtual_memory_bytes", Gauge, "Virtual memory."},
		{"process_open_fds", Gauge, "Open file descriptors."},
		{"process_max_fds", Gauge, "The limit of open file descriptors."},
		{"process_start_time_seconds", Gauge, "When the process started, in seconds since 1970."},
		{"go_goroutines", Gauge, "Goroutines."},
		{"go_threads", Gauge, "Threads that Go has made."},
		{"go_gomaxprocs", Gauge, "Threads that may run Go code at once."},
		{"go_memlimit_bytes", Gauge, "GOMEMLIMIT."},
		{"go_memstats_heap_inuse_bytes", Gauge, "Heap in use."},
		{"go_memstats_sys_bytes", Gauge, "Memory that Go has from the system."},
		{"go_memstats_next_gc_bytes", Gauge, "Heap size at which the next collection begins."},
		{"go_gc_cpu_seconds_total", Counter, "CPU time spent on collecting garbage."},
	}
	var all bytes.Buffer
	metrics.WriteGoMetrics(&all)
	metrics.WriteProcMetrics(&all)
	metrics.WriteFDMetrics(&all)
	values := map[string]string{}
	for line := range strings.Lines(all.String()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			values[name] = value
		}
	}
	for _, w := range wanted {
		if value, ok := values[w[0]]; ok { // each system lacks some
			p.Family(w[0], w[1], w[2])
			fmt.Fprintf(p, "%s %s\n", w[0], value)
		}
	}
}
