// Whose definitions of ServiceMonitor and PrometheusRule the tests in this folder check against.
module imagediff/test/install/prometheus

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
