//! The port to the system browser, where sign-in happens (RFC 8252: never inside the app).

use std::{io, process::Stdio, time::Duration};

use tokio::process::Command;

/// Opens pages outside the app. The host gives one: a window has its platform's opener.
#[async_trait::async_trait]
pub trait Browser: Send + Sync {
    /// Opens the URL, which is https or loopback http.
    ///
    /// # Errors
    /// If no browser could be started; the app then shows the URL to be opened by hand.
    async fn open(&self, url: &str) -> io::Result<()>;
}

/// The platform's own way, for hosts without a window: `$BROWSER` or `xdg-open` on Linux and BSD.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemBrowser;

/// An opener that has not failed by now has handed the page over; some stay until the browser is closed.
const FAILS_WITHIN: Duration = Duration::from_secs(3);

#[async_trait::async_trait]
impl Browser for SystemBrowser {
    async fn open(&self, url: &str) -> io::Result<()> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for (program, arguments) in openers() {
            match start(&program, &arguments, url).await {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Programs to try in order, with what comes before the URL. No shell sees the URL.
fn openers() -> Vec<(String, Vec<String>)> {
    let own = |program: &str, arguments: &[&str]| {
        (program.to_owned(), arguments.iter().map(|&a| a.to_owned()).collect())
    };
    if cfg!(target_os = "windows") {
        return vec![own("rundll32.exe", &["url.dll,FileProtocolHandler"])];
    }
    if cfg!(target_os = "macos") {
        return vec![own("/usr/bin/open", &[])];
    }
    let named = std::env::var("BROWSER").unwrap_or_default();
    let mut openers: Vec<_> = named
        .split(':')
        .filter_map(|command| {
            let mut words = command.split_whitespace().filter(|word| *word != "%s").map(str::to_owned);
            Some((words.next()?, words.collect()))
        })
        .collect();
    openers.push(own("xdg-open", &[]));
    openers
}

async fn start(program: &str, arguments: &[String], url: &str) -> io::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    match tokio::time::timeout(FAILS_WITHIN, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(io::Error::other(format!("{program} ended with {status}"))),
        Ok(Err(error)) => Err(error),
        Err(_) => {
            // Reaped when it ends.
            tokio::spawn(async move { child.wait().await });
            Ok(())
        }
    }
}
