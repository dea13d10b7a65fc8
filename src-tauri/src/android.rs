//! What Android must hand over before the radio can be used, and what only its Java half can do.
//!
//! btleplug drives Android's Bluetooth through classes of its own, which it finds through the class loader of the
//! calling thread; only a thread that came in from Java has the app's. So the app's `Application` calls this first of
//! all (gen/android, Bluetooth.kt).

use std::sync::OnceLock;

use jni::{
    EnvUnowned, JavaVM,
    errors::{Error, ThrowRuntimeExAndDefault},
    jni_sig, jni_str,
    objects::{JClass, JObject},
    refs::Global,
};

/// `app.postern.Bluetooth` and the application: a thread of ours would not find the class.
static JAVA: OnceLock<(Global<JClass<'static>>, Global<JObject<'static>>)> = OnceLock::new();

/// `app.postern.Bluetooth.start(application)`. A failure becomes a Java exception, which ends the app at its start: with
/// half of btleplug missing from the package, nothing would work later.
// Exporting a name is the one thing here that the compiler cannot check: no other symbol of the app has this name.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn Java_app_postern_Bluetooth_start<'local>(
    mut env: EnvUnowned<'local>,
    class: JClass<'local>,
    application: JObject<'local>,
) {
    env.with_env(|env| -> Result<(), btleplug::Error> {
        btleplug::platform::init(env)?;
        // Called once; a second call would bring the same two.
        let _ = JAVA.set((env.new_global_ref(class)?, env.new_global_ref(application)?));
        Ok(())
    })
    .resolve::<ThrowRuntimeExAndDefault>();
}

/// Leads to where Bluetooth is allowed or switched on. False where there is no such page.
pub(crate) fn open_bluetooth_settings() -> bool {
    let Some((class, application)) = JAVA.get() else { return false };
    let opened = JavaVM::singleton().and_then(|java| {
        java.attach_current_thread(|env| -> Result<bool, Error> {
            let signature = jni_sig!("(Landroid/content/Context;)Z");
            env.call_static_method(class, jni_str!("openSettings"), signature, &[application.into()])?.z()
        })
    });
    opened.unwrap_or(false)
}
