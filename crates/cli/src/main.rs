//! `postern`: the same app in a terminal.
#![forbid(unsafe_code)]

mod app;
mod arguments;
mod commands;
mod fault;
mod proxy;
mod qr;
mod scanned;
mod text;
mod time;
mod words;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{arguments::Arguments, text::tell};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("POSTERN_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell!("postern: {error}");
            return ExitCode::FAILURE;
        }
    };
    let json = arguments.json;
    let outcome = runtime.block_on(commands::run(arguments));
    // A prompt of the keyring that nobody answered must not keep us.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            fault.report(json);
            fault.exit.into()
        }
    }
}
