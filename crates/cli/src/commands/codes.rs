//! `qr`.

use std::{io::IsTerminal as _, path::Path, time::Duration};

use postern_runtime::{
    intent::Intent,
    view::{OpeningCodeView, ReservationView},
};
use serde_json::json;

use super::Output;
use crate::{
    app::App,
    fault::{Exit, Fault},
    qr::Code,
    text::{safe, tell, to_stdout},
};

/// Longest wait for the device key to sign an opening code.
const SIGNING: Duration = Duration::from_secs(20);

pub(super) async fn qr(
    app: &mut App,
    id: &str,
    opening: bool,
    png: Option<&Path>,
    output: Output,
) -> Result<(), Fault> {
    app.refreshed().await?;
    let found = app.find(id)?;
    if opening {
        opening_code(app, &found, png, output).await
    } else {
        match &found.identification {
            Some(code) => show("identification", &code.text, None, png, output),
            None => Err(Fault::usage(format!(
                "{} has no code that identifies it. `--opening` draws the one that opens the door.",
                safe(&found.title)
            ))),
        }
    }
}

async fn opening_code(
    app: &mut App,
    found: &ReservationView,
    png: Option<&Path>,
    output: Output,
) -> Result<(), Fault> {
    app.send(Intent::ShowOpeningCode { reservation: found.id.clone() })?;
    let code = next_code(app, None).await?;
    show("opening", &code.0, Some(code.1), png, output)?;
    if png.is_some() || output.json || !std::io::stdout().is_terminal() {
        app.send(Intent::HideOpeningCode)?;
        return Ok(());
    }
    let mut shown = code.0;
    tell!("Renewed by itself. Ctrl-C ends it.");
    loop {
        tokio::select! {
            next = next_code(app, Some(&shown)) => {
                let (text, renews) = next?;
                // Over the old one.
                to_stdout("\x1b[H\x1b[2J")?;
                show("opening", &text, Some(renews), None, output)?;
                shown = text;
            }
            _ = tokio::signal::ctrl_c() => {
                app.send(Intent::HideOpeningCode)?;
                return Ok(());
            }
        }
    }
}

/// The text of a code that is not the one shown, and when it is renewed (UNIX milliseconds).
async fn next_code(app: &mut App, shown: Option<&str>) -> Result<(String, i64), Fault> {
    let fresh = |code: &OpeningCodeView| match (&code.qr, &code.problem) {
        (_, Some(problem)) => Some(Err(Fault::problem(problem))),
        (Some(qr), None) if Some(qr.text.as_str()) != shown => Some(Ok((qr.text.clone(), code.renews_at_ms))),
        _ => None,
    };
    app.until(SIGNING, |view| view.opening_code.as_ref().and_then(fresh)).await?.unwrap_or_else(|| {
        Err(Fault::new(Exit::Refused, "noCode", "No opening code can be made for it now."))
    })
}

fn show(
    kind: &str,
    text: &str,
    renews_at_ms: Option<i64>,
    png: Option<&Path>,
    output: Output,
) -> Result<(), Fault> {
    let code = Code::new(text)
        .ok_or_else(|| Fault::new(Exit::Refused, "tooLong", "It is too long for a QR code."))?;
    if let Some(path) = png {
        code.write_png(path)?;
    }
    let document = json!({ "kind": kind, "text": text, "renewsAtMs": renews_at_ms, "png": png });
    output.print(&document, || match png {
        Some(path) => format!("{}\n", path.display()),
        None if std::io::stdout().is_terminal() => code.terminal(),
        None => format!("{text}\n"),
    })
}
