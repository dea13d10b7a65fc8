//! What Android must hand over before the radio can be used.
//!
//! btleplug drives Android's Bluetooth through classes of its own, which it finds through the class loader of the
//! calling thread; only a thread that came in from Java has the app's. So the app's `Application` calls this first of
//! all (gen/android, Bluetooth.kt).

use jni::{EnvUnowned, errors::ThrowRuntimeExAndDefault, objects::JClass};

/// `app.postern.Bluetooth.start()`. A failure becomes a Java exception, which ends the app at its start: with half of
/// btleplug missing from the package, nothing would work later.
// Exporting a name is the one thing here that the compiler cannot check: no other symbol of the app has this name.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn Java_app_postern_Bluetooth_start(mut env: EnvUnowned<'_>, _class: JClass<'_>) {
    env.with_env(|env| btleplug::platform::init(env)).resolve::<ThrowRuntimeExAndDefault>();
}
