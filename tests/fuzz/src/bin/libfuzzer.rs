//! Entry point for libFuzzer; `POSTERN_FUZZ_TARGET` names the target.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static TARGET: std::sync::OnceLock<postern_fuzz::Target> = std::sync::OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("POSTERN_FUZZ_TARGET").expect("POSTERN_FUZZ_TARGET names a target");
        postern_fuzz::target(&name).expect("a target of that name")
    });
    (target.run)(bytes);
});

#[cfg(not(fuzzing))]
fn main() {
    eprintln!("built without libFuzzer: see the crate's documentation");
}
