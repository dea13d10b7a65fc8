//! Counters for Prometheus. No label holds anything of a person.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Upper bounds of the latency buckets, seconds.
const BOUNDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Requests by route, method and status.
#[derive(Default)]
pub struct Metrics {
    routes: Mutex<BTreeMap<(String, String), Route>>,
    shed: AtomicU64,
    repeated: AtomicU64,
}

#[derive(Default)]
struct Route {
    statuses: BTreeMap<u16, u64>,
    buckets: [u64; BOUNDS.len()],
    seconds: f64,
    count: u64,
}

impl Metrics {
    /// Counts one request. `route` is the pattern, never the path.
    pub fn count(&self, route: &str, method: &str, status: u16, took: Duration) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = routes.entry((route.to_owned(), method.to_owned())).or_default();
        *entry.statuses.entry(status).or_default() += 1;
        let seconds = took.as_secs_f64();
        for (bound, bucket) in BOUNDS.iter().zip(&mut entry.buckets) {
            if seconds <= *bound {
                *bucket += 1;
            }
        }
        entry.seconds += seconds;
        entry.count += 1;
    }

    /// A request was refused because there was more to do than can be done.
    pub fn shed(&self) {
        self.shed.fetch_add(1, Ordering::Relaxed);
    }

    /// A request was carried out again because another change was in its way.
    pub fn repeated(&self) {
        self.repeated.fetch_add(1, Ordering::Relaxed);
    }

    /// In the text format of Prometheus, with gauges of the caller's.
    #[must_use]
    pub fn render(&self, gauges: &[(&str, &str, f64)]) -> String {
        let mut out = String::new();
        for (name, help, value) in gauges {
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
        }
        for (name, help, value) in [
            ("postern_requests_shed_total", "Requests refused under overload.", &self.shed),
            (
                "postern_requests_repeated_total",
                "Requests carried out again because another change was in their way.",
                &self.repeated,
            ),
        ] {
            let value = value.load(Ordering::Relaxed);
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}\n");
        }
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        out.push_str("# HELP postern_requests_total Requests.\n# TYPE postern_requests_total counter\n");
        for ((route, method), entry) in &*routes {
            for (status, count) in &entry.statuses {
                let _ = writeln!(
                    out,
                    "postern_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} {count}"
                );
            }
        }
        out.push_str(
            "# HELP postern_request_seconds Time to answer.\n# TYPE postern_request_seconds histogram\n",
        );
        for ((route, method), entry) in &*routes {
            let labels = format!("route=\"{route}\",method=\"{method}\"");
            for (bound, count) in BOUNDS.iter().zip(entry.buckets) {
                let _ = writeln!(out, "postern_request_seconds_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(out, "postern_request_seconds_bucket{{{labels},le=\"+Inf\"}} {}", entry.count);
            let _ = writeln!(out, "postern_request_seconds_sum{{{labels}}} {}", entry.seconds);
            let _ = writeln!(out, "postern_request_seconds_count{{{labels}}} {}", entry.count);
        }
        out
    }
}
