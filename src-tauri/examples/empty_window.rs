//! The floor of the app's numbers: a window of the same Tauri, of the app's size, with a page that has one paragraph, and
//! nothing else. No plugin, no command, no runtime. `cargo xtask bench --only app` holds the app against it.
#![forbid(unsafe_code)]

use tauri::{WebviewUrl, WebviewWindowBuilder, http};

const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Empty</title><p>Empty";

fn main() -> tauri::Result<()> {
    tauri::Builder::default()
        .register_uri_scheme_protocol("empty", |_, _| {
            let mut response = http::Response::new(PAGE.as_bytes());
            let html = http::HeaderValue::from_static("text/html");
            response.headers_mut().insert(http::header::CONTENT_TYPE, html);
            response
        })
        .setup(|app| {
            let page = WebviewUrl::CustomProtocol("empty://localhost/".parse()?);
            WebviewWindowBuilder::new(app, "main", page).title("Empty").inner_size(1040.0, 760.0).build()?;
            Ok(())
        })
        .run(tauri::generate_context!())
}
