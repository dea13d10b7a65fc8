//! The interface for people: one table of all operations, by what they are about.

use std::{collections::BTreeMap, fmt::Write};

use utoipa::openapi::{OpenApi, path::Operation};

use super::{escape, words};

/// A page of the document.
#[must_use]
pub fn docs(network: &str, document: &OpenApi) -> String {
    let mut groups: BTreeMap<String, Vec<(String, &'static str, &Operation)>> = BTreeMap::new();
    for (path, item) in &document.paths.paths {
        let operations = [
            ("GET", &item.get),
            ("PUT", &item.put),
            ("POST", &item.post),
            ("PATCH", &item.patch),
            ("DELETE", &item.delete),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
                groups.entry(tag).or_default().push((path.clone(), method, operation));
            }
        }
    }
    let mut main = String::from(
        "<h1>Interface</h1>\n<p>The machine-readable document with every field is <a href=\"/openapi.json\">\
         openapi.json</a>. Errors are problem documents (RFC 9457) with a stable <code>code</code>.</p>\n",
    );
    for (tag, operations) in groups {
        let _ = write!(main, "<h2>{}</h2>\n<table><thead><tr><th scope=\"col\">Operation</th>", escape(&tag));
        main.push_str("<th scope=\"col\">What it does</th></tr></thead><tbody>\n");
        for (path, method, operation) in operations {
            let summary = operation.summary.as_deref().unwrap_or_default();
            let more = operation.description.as_deref().unwrap_or_default();
            let _ = writeln!(
                main,
                "<tr><td><code>{method} {}</code></td><td>{} {}</td></tr>",
                escape(&path),
                escape(summary),
                escape(more)
            );
        }
        main.push_str("</tbody></table>\n");
    }
    let words = words::choose("en");
    super::frame(network, words, "Interface", &main).replacen("<body>", "<body class=\"wide\">", 1)
}
