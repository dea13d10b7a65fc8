//! What Android must hand over before the radio can be used, and what only its Java half can do.
//!
//! btleplug drives Android's Bluetooth through classes of its own, which it finds through the class loader of the
//! calling thread; only a thread that came in from Java has the app's. So the app's `Application` calls this first of
//! all (gen/android, Native.kt), and the app's own classes are looked up then, too.

pub(crate) mod notices;

use std::sync::OnceLock;

use jni::{
    Env, EnvUnowned, JValue, JavaVM,
    errors::{Error, ThrowRuntimeExAndDefault},
    jni_sig, jni_str,
    objects::{JClass, JObject, JString},
    refs::Global,
    sys::jint,
};
use postern_runtime::phone;

/// What a thread of ours would not find.
struct Java {
    application: Global<JObject<'static>>,
    bluetooth: Global<JClass<'static>>,
    files: Global<JClass<'static>>,
    device: Global<JClass<'static>>,
}

static JAVA: OnceLock<Java> = OnceLock::new();

/// `app.postern.Native.start(application)`. A failure becomes a Java exception, which ends the app at its start: with
/// half of btleplug missing from the package, nothing would work later.
// Exporting a name is the one thing here that the compiler cannot check: no other symbol of the app has this name.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn Java_app_postern_Native_start<'local>(
    mut env: EnvUnowned<'local>,
    _native: JObject<'local>,
    application: JObject<'local>,
) {
    env.with_env(|env| -> Result<(), btleplug::Error> {
        btleplug::platform::init(env)?;
        let mut class = |name: &jni::strings::JNIStr| -> Result<_, Error> {
            let class = env.find_class(name)?;
            env.new_global_ref(class)
        };
        let (bluetooth, files, device) = (
            class(jni_str!("app/postern/Bluetooth"))?,
            class(jni_str!("app/postern/Files"))?,
            class(jni_str!("app/postern/Device"))?,
        );
        // Called once; a second call would bring the same.
        let _ = JAVA.set(Java { application: env.new_global_ref(application)?, bluetooth, files, device });
        phone::introduce(JavaHalf);
        Ok(())
    })
    .resolve::<ThrowRuntimeExAndDefault>();
}

/// `app.postern.Native.changed(state)`: see `phone::Told`.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn Java_app_postern_Native_changed<'local>(
    _env: EnvUnowned<'local>,
    _native: JObject<'local>,
    state: jint,
) {
    phone::changed(state);
}

/// `app.postern.Native.scanFailed(code)`: see `ScanCallback.onScanFailed`.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn Java_app_postern_Native_scanFailed<'local>(
    _env: EnvUnowned<'local>,
    _native: JObject<'local>,
    code: jint,
) {
    phone::scan_failed(code);
}

/// `app.postern.Native.tapped(source)`: see `Tap.of`.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub(crate) extern "system" fn Java_app_postern_Native_tapped<'local>(
    mut env: EnvUnowned<'local>,
    _native: JObject<'local>,
    source: JString<'local>,
) {
    env.with_env(|env| -> Result<(), Error> {
        if let Some(reservation) = crate::notices::reservation(&source.try_to_string(env)?) {
            crate::window::reservation(reservation);
        }
        Ok(())
    })
    .resolve::<ThrowRuntimeExAndDefault>();
}

/// Acts in Java; none where that fails.
fn java<T>(act: impl FnOnce(&mut Env<'_>, &'static Java) -> Result<T, Error>) -> Option<T> {
    let java = JAVA.get()?;
    let acted = JavaVM::singleton().and_then(|vm| vm.attach_current_thread(|env| act(env, java)));
    acted.inspect_err(|error| tracing::warn!(code = "java_failed", %error, "a call into Java failed")).ok()
}

struct JavaHalf;

impl phone::Phone for JavaHalf {
    fn ask(&self) -> bool {
        java(|env, java| env.call_static_method(&java.bluetooth, jni_str!("ask"), jni_sig!("()Z"), &[])?.z())
            .unwrap_or(false)
    }

    fn scan_eagerly(&self, eager: bool) {
        java(|env, java| {
            let signature = jni_sig!("(Z)V");
            env.call_static_method(&java.bluetooth, jni_str!("scanEagerly"), signature, &[eager.into()])?;
            Ok(())
        });
    }
}

/// Leads to where Bluetooth is allowed or switched on. False where there is no such page.
pub(crate) fn open_bluetooth_settings() -> bool {
    let opened = java(|env, java| {
        let signature = jni_sig!("(Landroid/content/Context;)Z");
        let application: [JValue<'_>; 1] = [(&java.application).into()];
        env.call_static_method(&java.bluetooth, jni_str!("openSettings"), signature, &application)?.z()
    });
    opened.unwrap_or(false)
}

/// What the phone's owner calls it, or maker and model.
pub(crate) fn device_name() -> Option<String> {
    java(|env, java| {
        let signature = jni_sig!("(Landroid/content/Context;)Ljava/lang/String;");
        let application: [JValue<'_>; 1] = [(&java.application).into()];
        let name = env.call_static_method(&java.device, jni_str!("name"), signature, &application)?.l()?;
        env.cast_local::<JString<'_>>(name)?.try_to_string(env)
    })
}

/// Keeps a file where the customer finds it. False where it could not be written.
pub(crate) fn save_file(name: &str, kind: &str, contents: &[u8]) -> bool {
    let saved = java(|env, java| {
        let (name, kind) = (env.new_string(name)?, env.new_string(kind)?);
        let contents = env.byte_array_from_slice(contents)?;
        let signature = jni_sig!("(Landroid/content/Context;Ljava/lang/String;Ljava/lang/String;[B)Z");
        let arguments: [JValue<'_>; 4] =
            [(&java.application).into(), (&name).into(), (&kind).into(), (&contents).into()];
        env.call_static_method(&java.files, jni_str!("save"), signature, &arguments)?.z()
    });
    saved.unwrap_or(false)
}
