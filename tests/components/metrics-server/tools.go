//go:build tools

// Pins the version that tests/components/get builds.
package tools

import _ "sigs.k8s.io/metrics-server/cmd/metrics-server"
