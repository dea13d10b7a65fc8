//! The window: builds the runtime, hands intents down and views up, and lends it the platform (browser links,
//! notifications, tray, clipboard). It has no rules of its own: what is to be seen and what may be done is the core's,
//! how it looks and sounds is the page's.
//!
//! # Why not the isolation pattern
//!
//! Tauri's isolation pattern puts a script of ours in a sandboxed frame between page and commands, so that a
//! compromised dependency of the page cannot form calls at will. Here it would check nothing that is not checked
//! already: the page may call the commands of [`commands`] and nothing else (capabilities/main.json grants no plugin
//! and none of Tauri's core), each argument is parsed into a closed type before anything looks at it, and what such a
//! call can do is what the customer's own finger on the page can do, which no filter in between can tell apart. No
//! remote script can get in (CSP `script-src 'self'`, no navigation away, no new windows). It would cost an AES pass
//! and an extra hop for every message, and views are messages.
#![cfg_attr(not(any(target_os = "android", target_os = "ios")), forbid(unsafe_code))]
#![deny(unsafe_code)]
#![cfg_attr(
    target_os = "ios",
    allow(
        missing_docs,
        reason = "tauri::mobile_entry_point makes a public function, and says nothing of it"
    )
)]

#[cfg(target_os = "android")]
mod android;
mod clipboard;
mod commands;
#[cfg(desktop)]
mod desktop;
mod diagnostics;
mod files;
#[cfg(target_os = "ios")]
mod iphone;
mod link;
#[cfg(any(mobile, test))]
mod notices;
mod notifications;
#[cfg(target_os = "linux")]
mod painting;
#[cfg(mobile)]
mod phone;
#[cfg(target_os = "linux")]
mod presence;
#[cfg(mobile)]
mod reminders;
mod scan;
mod settings_page;
mod window;
mod words;

use std::{process::ExitCode, time::Duration};

use tauri::{AppHandle, Manager, RunEvent, WindowEvent};
use tracing_subscriber::EnvFilter;

use crate::link::Link;

/// How long the runtime may take to hang up and to write what must not be lost.
const FINISHING: Duration = Duration::from_secs(3);

/// Runs the app until its window is closed for good.
#[cfg_attr(mobile, tauri::mobile_entry_point)]
pub fn run() -> ExitCode {
    // Codes and names of steps only: no room of ours logs what a customer has (see CONTRIBUTING.md).
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_env("POSTERN_LOG").unwrap_or_else(|_| EnvFilter::new("warn,postern=info")),
        )
        .with_writer(std::io::stderr)
        .init();
    #[cfg(target_os = "linux")]
    painting::prepare();
    match app() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the app cannot start");
            ExitCode::FAILURE
        }
    }
}

fn app() -> tauri::Result<()> {
    let builder = tauri::Builder::default();
    // The first plugin of all, so that a second instance does nothing before it hands over and ends.
    #[cfg(desktop)]
    let builder = desktop::plugins(builder);
    #[cfg(mobile)]
    let builder = builder
        .plugin(tauri_plugin_biometric::init())
        .plugin(tauri_plugin_haptics::init())
        .plugin(tauri_plugin_clipboard_manager::init());
    #[cfg(target_os = "android")]
    let builder = builder.plugin(tauri_plugin_notification::init()).plugin(android::notices::batch());
    #[cfg(target_os = "ios")]
    {
        iphone::notices::listen();
        iphone::cover::begin();
    }
    builder
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_opener::Builder::new().open_js_links_on_click(false).build())
        .invoke_handler(tauri::generate_handler![
            commands::send_intent,
            commands::subscribe,
            commands::open_bluetooth_settings,
            commands::open_in_browser,
            commands::copy_text,
            commands::diagnostics,
            commands::set_language,
            commands::autostart,
            commands::can_confirm_presence,
            commands::confirm_presence,
            commands::save_file,
            commands::read_qr,
            commands::feel,
        ])
        .setup(|app| {
            let handle = app.handle().clone();
            app.manage(words::Language::default());
            app.manage(Link::new());
            tauri::async_runtime::spawn(link::connect(handle.clone()));
            #[cfg(target_os = "ios")]
            {
                let app = handle.clone();
                iphone::active::whenever(move || {
                    if let Some(runtime) = app.state::<Link>().runtime_now() {
                        let _ = runtime.foreground(true);
                    }
                });
            }
            window::open(&handle)?;
            Ok(())
        })
        .build(tauri::generate_context!())?
        .run(lifecycle);
    Ok(())
}

/// Whether the customer looks at the app from now on, where the event says so. A phone says it of the whole app: a call
/// that comes in takes the screen, whether or not the window loses its focus. That an iPhone's app has the screen again is said by
/// none where it was not left, such as behind the system's questions: [`iphone::active`] says it.
fn looking(event: &WindowEvent) -> Option<bool> {
    match event {
        WindowEvent::Focused(focused) => Some(*focused),
        #[cfg(mobile)]
        WindowEvent::Suspended => Some(false),
        #[cfg(mobile)]
        WindowEvent::Resumed => Some(true),
        _ => None,
    }
}

/// Tells the runtime when the customer is looking, and lets it finish what must not be lost.
fn lifecycle(app: &AppHandle, event: RunEvent) {
    let runtime = || app.state::<Link>().runtime_now();
    match event {
        #[cfg(mobile)]
        RunEvent::WindowEvent { event: WindowEvent::Destroyed, .. } => window::gone(),
        RunEvent::WindowEvent { event, .. } => {
            if let (Some(looking), Some(runtime)) = (looking(&event), runtime()) {
                // Ended means that there is nothing to tell any more.
                let _ = runtime.foreground(looking);
                #[cfg(target_os = "ios")]
                if !looking {
                    iphone::finish(app);
                }
            }
        }
        RunEvent::Exit => {
            if let Some(runtime) = runtime() {
                let finished = async { tokio::time::timeout(FINISHING, runtime.shutdown()).await };
                if tauri::async_runtime::block_on(finished).is_err() {
                    tracing::warn!("the runtime did not finish in time");
                }
            }
        }
        _ => {}
    }
}
