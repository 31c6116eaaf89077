// An HTTP service for tests of tuning: a request burns CPU and holds memory, so latency and errors depend on the limits
// of its container and on its settings, which are environment variables:
//
//	PORT        8080  where it listens
//	WORK_US     2000  work of a request, in microseconds of a CPU of 2020
//	WORKERS     4     requests that are served at once; others queue
//	BASE_MB     16    memory that is held from the start
//	REQUEST_KB  256   memory that a request holds
//	START_S     0     seconds until it is ready
//	FAIL_RATIO  0     share of the requests that are answered with 500
//
// GET / does the work, /healthz is its readiness, /metrics speaks Prometheus.
package main

import (
	"cmp"
	"log"
	"math/rand"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Rounds of the generator in a microsecond: a unit of work, not of time.
const roundsPerMicrosecond = 700

var (
	total = promauto.NewCounterVec(prometheus.CounterOpts{
		Name: "http_requests_total", Help: "Requests answered."}, []string{"code"})
	inFlight = promauto.NewGauge(prometheus.GaugeOpts{
		Name: "http_requests_in_flight", Help: "Requests that are served or queued."})
	duration = promauto.NewHistogram(prometheus.HistogramOpts{
		Name: "http_request_duration_seconds", Help: "Time to answer, queueing included.",
		Buckets: prometheus.ExponentialBuckets(0.001, 1.5, 24)})
)

// Results of the work and memory that is held, so that neither is optimized away.
var (
	burnt uint64
	base  []byte
)

func setting(name string, fallback float64) float64 {
	if value, err := strconv.ParseFloat(os.Getenv(name), 64); err == nil {
		return value
	}
	return fallback
}

// hold returns memory that is resident.
func hold(size int) []byte {
	held := make([]byte, size)
	for page := 0; page < size; page += 4096 {
		held[page] = 1
	}
	return held
}

func burn(microseconds float64) {
	x := uint64(88172645463325252)
	for round := int(microseconds * roundsPerMicrosecond); round > 0; round-- {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	burnt += x
}

func main() {
	work, failing := setting("WORK_US", 2000), setting("FAIL_RATIO", 0)
	perRequest := int(setting("REQUEST_KB", 256)) << 10
	workers := make(chan struct{}, int(setting("WORKERS", 4)))
	ready := time.Now().Add(time.Duration(setting("START_S", 0) * float64(time.Second)))
	base = hold(int(setting("BASE_MB", 16)) << 20)

	http.Handle("/metrics", promhttp.Handler())
	http.HandleFunc("/healthz", func(answer http.ResponseWriter, _ *http.Request) {
		if time.Now().Before(ready) {
			answer.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		start := time.Now()
		inFlight.Inc()
		workers <- struct{}{}
		held := hold(perRequest)
		burn(work)
		code := http.StatusOK
		if rand.Float64() < failing {
			code = http.StatusInternalServerError
		}
		answer.WriteHeader(code)
		runtime.KeepAlive(held)
		<-workers
		inFlight.Dec()
		total.WithLabelValues(strconv.Itoa(code)).Inc()
		duration.Observe(time.Since(start).Seconds())
	})
	log.Fatal(http.ListenAndServe(":"+cmp.Or(os.Getenv("PORT"), "8080"), nil))
}
