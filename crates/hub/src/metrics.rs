//! Metrics for Prometheus. No label holds anything of a person.

use std::time::Duration;

use prometheus::{
    Encoder, Gauge, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Registry, TextEncoder,
    core::Collector, histogram_opts, opts, process_collector::ProcessCollector,
};

use crate::error::{Error, Result};

/// Upper bounds of the latency buckets, seconds.
const BOUNDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// RFC 9110 section 9.1 and RFC 5789.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"];

/// Requests by route, method and status, this process, and which version it is.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    shed: IntCounter,
    repeated: IntCounter,
}

/// A value that is measured when somebody asks for it: name, help text, value.
pub type Measured<'a> = (&'a str, &'a str, f64);

impl Metrics {
    /// Of a hub of its own: several may be in one process.
    ///
    /// # Errors
    /// Never for the names here.
    pub fn new() -> Result<Self> {
        let make = || {
            let buckets = BOUNDS.to_vec();
            let this = Self {
                registry: Registry::new(),
                requests: IntCounterVec::new(
                    opts!("postern_requests_total", "Requests."),
                    &["route", "method", "status"],
                )?,
                seconds: HistogramVec::new(
                    histogram_opts!("postern_request_seconds", "Time to answer.", buckets),
                    &["route", "method"],
                )?,
                shed: IntCounter::new("postern_requests_shed_total", "Requests refused under overload.")?,
                repeated: IntCounter::new(
                    "postern_requests_repeated_total",
                    "Requests carried out again because another change was in their way.",
                )?,
            };
            let build =
                IntGaugeVec::new(opts!("postern_build_info", "1 for the version that runs."), &["version"])?;
            build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
            let collectors: [Box<dyn Collector>; 6] = [
                Box::new(this.requests.clone()),
                Box::new(this.seconds.clone()),
                Box::new(this.shed.clone()),
                Box::new(this.repeated.clone()),
                Box::new(build),
                Box::new(ProcessCollector::for_self()),
            ];
            for collector in collectors {
                this.registry.register(collector)?;
            }
            Ok::<_, prometheus::Error>(this)
        };
        make().map_err(failed)
    }

    /// Counts one request. `route` is the pattern, never the path; a method that HTTP does not define is `other`, so that
    /// strangers cannot make up series.
    pub fn count(&self, route: &str, method: &str, status: u16, took: Duration) {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        self.requests.with_label_values(&[route, method, &status.to_string()]).inc();
        self.seconds.with_label_values(&[route, method]).observe(took.as_secs_f64());
    }

    /// A request was refused because there was more to do than can be done.
    pub fn shed(&self) {
        self.shed.inc();
    }

    /// A request was carried out again because another change was in its way.
    pub fn repeated(&self) {
        self.repeated.inc();
    }

    /// In the text format of Prometheus, with what the caller has measured now.
    ///
    /// # Errors
    /// When a name is none that Prometheus allows.
    pub fn render(&self, measured: &[Measured<'_>]) -> Result<String> {
        let mut families = self.registry.gather();
        for (name, help, value) in measured {
            let gauge = Gauge::new(*name, *help).map_err(failed)?;
            gauge.set(*value);
            families.extend(gauge.collect());
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text).map_err(failed)?;
        String::from_utf8(text).map_err(|error| Error::Internal(format!("metrics: {error}")))
    }
}

fn failed(error: prometheus::Error) -> Error {
    Error::Internal(format!("metrics: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told_and_two_hubs_are_apart() {
        let (one, other) = (Metrics::new().unwrap(), Metrics::new().unwrap());
        one.count("/v1/me", "GET", 200, Duration::from_millis(3));
        one.shed();
        for made_up in ["BREW", "WHEN", "get"] {
            one.count("(none)", made_up, 405, Duration::from_millis(3));
        }
        let text = one.render(&[("postern_alarms_open", "Alarms.", 2.0)]).unwrap();
        for line in [
            "postern_requests_total{method=\"GET\",route=\"/v1/me\",status=\"200\"} 1",
            "postern_request_seconds_bucket{method=\"GET\",route=\"/v1/me\",le=\"0.005\"} 1",
            "postern_requests_total{method=\"other\",route=\"(none)\",status=\"405\"} 3",
            "postern_requests_shed_total 1",
            "postern_alarms_open 2",
            concat!("postern_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert!(text.contains("process_open_fds ") && text.contains("process_resident_memory_bytes "));
        assert!(!other.render(&[]).unwrap().contains("/v1/me"));
    }
}
