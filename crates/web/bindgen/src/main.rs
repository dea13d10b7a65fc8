//! `postern-web-bindgen CORE.wasm FOLDER`: the core's WebAssembly with the JavaScript and the types around it.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let wasm = arguments.next().context("which WebAssembly?")?;
    let folder = arguments.next().context("into which folder?")?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).web(true)?.typescript(true).out_name("core").omit_default_module_path(true);
    bindgen.generate(folder)
}
