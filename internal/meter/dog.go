package meter

import (
	"bytes"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-metrics"
)

// A dog sends metrics as DogStatsD datagrams: what StatsD speaks, with labels as
// tags (https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/). Lines
// are gathered into datagrams that fit one packet of an Ethernet.
type dog struct {
	conn     net.Conn
	hostname string
	tags     string // "" or "a:b,c:d", of every metric

	mu   sync.Mutex
	buf  bytes.Buffer // guarded by mu
	quit chan struct{}
	done chan struct{}
}

const (
	unixScheme  = "unix://"
	dogDatagram = 1400
	dogFlush    = 100 * time.Millisecond
)

func openDog(addr, hostname string, tags []string) (*dog, error) {
	network := "udp"
	if path, ok := strings.CutPrefix(addr, unixScheme); ok {
		network, addr = "unixgram", path
	}
	conn, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	d := &dog{conn: conn, hostname: hostname, tags: dogText.Replace(strings.Join(tags, ",")), quit: make(chan struct{}), done: make(chan struct{})}
	go d.run()
	return d, nil
}

func (d *dog) run() {
	defer close(d.done)
	t := time.NewTicker(dogFlush)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-d.quit:
			return
		}
		d.mu.Lock()
		d.flush()
		d.mu.Unlock()
	}
}

// flush is called with mu held. Nobody can be told of what is lost.
func (d *dog) flush() {
	if d.buf.Len() > 0 {
		_, _ = d.conn.Write(d.buf.Bytes())
		d.buf.Reset()
	}
}

// Shutdown sends what is left.
func (d *dog) Shutdown() {
	close(d.quit)
	<-d.done
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flush()
	d.conn.Close()
}

// dogText keeps what separates parts of a line out of names and tags.
var dogText = strings.NewReplacer("\n", "_", "|", "_", "#", "_", " ", "_")

func (d *dog) send(key []string, v float64, kind string, labels []metrics.Label) {
	// The host is a tag, which DogStatsD adds itself.
	if i := slices.Index(key, d.hostname); i >= 0 {
		key = slices.Delete(slices.Clone(key), i, i+1)
	}
	line := make([]byte, 0, 128)
	line = append(line, strings.ReplaceAll(dogText.Replace(strings.Join(key, ".")), ":", "_")...)
	line = append(line, ':')
	line = strconv.AppendFloat(line, v, 'f', -1, 64)
	line = append(line, '|')
	line = append(line, kind...)
	sep := "|#"
	if d.tags != "" {
		line = append(append(line, sep...), d.tags...)
		sep = ","
	}
	for _, l := range labels {
		line = append(append(line, sep...), dogText.Replace(l.Name)...)
		line = append(append(line, ':'), strings.ReplaceAll(dogText.Replace(l.Value), ",", "_")...)
		sep = ","
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.buf.Len()+1+len(line) > dogDatagram {
		d.flush()
	}
	if d.buf.Len() > 0 {
		d.buf.WriteByte('\n')
	}
	d.buf.Write(line)
}

func (d *dog) SetGauge(key []string, v float32) { d.send(key, float64(v), "g", nil) }
func (d *dog) SetGaugeWithLabels(key []string, v float32, labels []metrics.Label) {
	d.send(key, float64(v), "g", labels)
}
func (d *dog) EmitKey([]string, float32)           {} // DogStatsD knows no such kind
func (d *dog) IncrCounter(key []string, v float32) { d.send(key, float64(v), "c", nil) }
func (d *dog) IncrCounterWithLabels(key []string, v float32, labels []metrics.Label) {
	d.send(key, float64(v), "c", labels)
}
func (d *dog) AddSample(key []string, v float32) { d.send(key, float64(v), "ms", nil) }
func (d *dog) AddSampleWithLabels(key []string, v float32, labels []metrics.Label) {
	d.send(key, float64(v), "ms", labels)
}
