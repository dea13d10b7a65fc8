//! Android's device keys on a desktop's Java (feature `jvm`; a JDK is needed), against a keystore that behaves as
//! Android's does towards the app. What is proven: the names and signatures of Java's own classes, the order of the
//! calls, and what comes of them. Android's two classes are declared in `tests/java` by hand.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use jni::{InitArgsBuilder, JNIVersion, JavaVM, jni_sig, jni_str};
use postern_vault::{DeviceKeys as _, VaultError, hardware::android::KeystoreKeys, testing::conformance};

/// Says to the process of a test that it is the one with the Java machine, of which a process can have one.
const INSIDE: &str = "POSTERN_TEST_JAVA_CLASSES";
const STAND_IN: [&str; 3] = [
    "android/security/keystore/KeyGenParameterSpec.java",
    "android/security/keystore/StrongBoxUnavailableException.java",
    "app/postern/AndroidKeystore.java",
];

/// What the device is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Device {
    WithStrongBox,
    WithoutStrongBox,
    /// As some phones are: its StrongBox throws what the documents do not name.
    WithBadStrongBox,
    /// The same, and half of a key is left.
    WithHalfAKey,
    /// Android 8: its classes know of no StrongBox.
    BeforeStrongBox,
}

/// Runs the body in a process of its own, on a Java machine with the keystore of this device.
fn on<F: Future<Output = ()>>(device: Device, test: &str, body: impl FnOnce() -> F) {
    if let Some(classes) = env::var_os(INSIDE) {
        start_java(Path::new(&classes), device);
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(body());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let classes = compile(folder.path(), device);
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, classes)
        .status()
        .unwrap();
    assert!(status.success(), "{test} on its Java machine: {status}");
}

fn compile(folder: &Path, device: Device) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/java");
    let classes = folder.join("classes");
    let mut javac = Command::new("javac");
    javac.args(["--release", "11", "-Xlint:-options", "-nowarn", "-d"]).arg(&classes);
    for name in STAND_IN {
        let mut text = fs::read_to_string(sources.join(name)).unwrap();
        if device == Device::BeforeStrongBox && text.contains("// since 28") {
            let (before, rest) = text.split_once("// since 28").unwrap();
            text = format!("{before}{}", rest.split_once("// end").unwrap().1);
        }
        let source = folder.join("sources").join(name);
        fs::create_dir_all(source.parent().unwrap()).unwrap();
        fs::write(&source, text).unwrap();
        javac.arg(source);
    }
    let status = javac.status().expect("javac, of a JDK");
    assert!(status.success(), "javac: {status}");
    classes
}

fn start_java(classes: &Path, device: Device) {
    let strongbox = match device {
        Device::WithStrongBox => "works",
        Device::WithoutStrongBox | Device::BeforeStrongBox => "absent",
        Device::WithBadStrongBox => "fails",
        Device::WithHalfAKey => "fails halfway",
    };
    let arguments = InitArgsBuilder::new()
        .version(JNIVersion::V1_8)
        .option(format!("-Djava.class.path={}", classes.display()))
        .build()
        .unwrap();
    JavaVM::new(arguments)
        .unwrap()
        .attach_current_thread(|env| {
            let class = jni_str!("app/postern/AndroidKeystore");
            let strongbox = env.new_string(strongbox)?;
            let signature = jni_sig!("(Ljava/lang/String;)V");
            env.call_static_method(class, jni_str!("install"), signature, &[(&strongbox).into()])?;
            Ok::<_, jni::errors::Error>(())
        })
        .unwrap();
}

/// How many keys there are; how many of them in the StrongBox.
fn count() -> (i32, i32) {
    JavaVM::singleton()
        .unwrap()
        .attach_current_thread(|env| {
            let mut count = |strongbox: bool| {
                let class = jni_str!("app/postern/AndroidKeystore");
                env.call_static_method(class, jni_str!("count"), jni_sig!("(Z)I"), &[strongbox.into()])?.i()
            };
            Ok::<_, jni::errors::Error>((count(false)?, count(true)?))
        })
        .unwrap()
}

#[test]
fn keys_in_the_keystore_conform() {
    on(Device::WithStrongBox, "keys_in_the_keystore_conform", || async {
        conformance::device_keys(&KeystoreKeys::new("default")).await;
        assert_eq!(count(), (0, 0), "what was destroyed is gone");
    });
}

#[test]
fn the_key_is_in_the_strongbox_and_there_for_the_next_process() {
    on(Device::WithStrongBox, "the_key_is_in_the_strongbox_and_there_for_the_next_process", || async {
        let (key, new) = KeystoreKeys::new("default").load_or_create().await.unwrap();
        assert!(new);
        assert_eq!(count(), (1, 1));
        let (again, new) = KeystoreKeys::new("default").load_or_create().await.unwrap();
        assert!(!new);
        assert_eq!(key.public(), again.public());
        let (other, new) = KeystoreKeys::new("second").load_or_create().await.unwrap();
        assert!(new, "a profile has a key of its own");
        assert_ne!(key.public(), other.public());
    });
}

#[test]
fn without_a_strongbox_it_is_in_the_keystore() {
    on(Device::WithoutStrongBox, "without_a_strongbox_it_is_in_the_keystore", || async {
        conformance::device_keys(&KeystoreKeys::new("default")).await;
        KeystoreKeys::new("default").load_or_create().await.unwrap();
        assert_eq!(count(), (1, 0));
    });
}

#[test]
fn a_strongbox_that_fails_in_a_way_of_its_own_is_none() {
    on(Device::WithBadStrongBox, "a_strongbox_that_fails_in_a_way_of_its_own_is_none", || async {
        conformance::device_keys(&KeystoreKeys::new("default")).await;
        KeystoreKeys::new("default").load_or_create().await.unwrap();
        assert_eq!(count(), (1, 0));
    });
}

#[test]
fn half_of_a_key_is_not_taken_for_one() {
    on(Device::WithHalfAKey, "half_of_a_key_is_not_taken_for_one", || async {
        let (key, new) = KeystoreKeys::new("default").load_or_create().await.unwrap();
        assert!(new);
        key.sign(b"message").await.unwrap();
        assert_eq!(count(), (1, 0));
        conformance::device_keys(&KeystoreKeys::new("other")).await;
    });
}

#[test]
fn android_8_has_no_word_for_a_strongbox() {
    on(Device::BeforeStrongBox, "android_8_has_no_word_for_a_strongbox", || async {
        conformance::device_keys(&KeystoreKeys::new("default")).await;
        KeystoreKeys::new("default").load_or_create().await.unwrap();
        assert_eq!(count(), (1, 0));
    });
}

#[test]
fn a_key_that_was_taken_away_is_an_error_and_not_a_panic() {
    on(Device::WithStrongBox, "a_key_that_was_taken_away_is_an_error_and_not_a_panic", || async {
        let keys = KeystoreKeys::new("default");
        let (key, _) = keys.load_or_create().await.unwrap();
        keys.destroy().await.unwrap();
        assert!(matches!(key.sign(b"message").await, Err(VaultError::Keyring(_))));
    });
}
