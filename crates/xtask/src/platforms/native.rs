//! The seams that no compiler looks at: between the native half of the app for Android and its Java half, which find each other
//! by name and signature, and between ours and the notification plugin's, which is told apart by the names that it gives things.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context, Result, ensure};

use crate::process;

/// Holds what Rust calls and exports against the compiled Kotlin.
///
/// # Errors
/// With what one half names and the other does not have.
pub(super) fn hold(rust: &str, classes: &Path) -> Result<()> {
    let (mut called, mut exported) = (called(rust), exported(rust));
    ensure!(!called.is_empty() && !exported.is_empty(), "nothing is called, or nothing exported");
    let names: BTreeSet<String> =
        called.iter().map(|it| it.class.clone()).chain(exported.iter().map(|it| it.0.clone())).collect();
    let mut wrong = Vec::new();
    for class in names {
        let mut javap = process::command("javap");
        javap.args(["-p", "-s", "-cp"]).arg(classes).arg(format!("app.postern.{class}"));
        let said = process::output(&mut javap).with_context(|| format!("there is no {class}"))?;
        let methods = methods(&said);
        called.retain(|call| {
            call.class != class
                || !methods.iter().any(|it| {
                    it.is_static
                        && (it.name.as_str(), it.signature.as_str()) == (&*call.name, &*call.signature)
                })
        });
        for native in methods.iter().filter(|it| it.is_native) {
            if !exported.remove(&(class.clone(), native.name.clone())) {
                wrong.push(format!("Rust has no {class}.{}", native.name));
            }
        }
    }
    wrong.extend(
        called.iter().map(|it| format!("Java has no static {}.{}{}", it.class, it.name, it.signature)),
    );
    wrong.extend(exported.iter().map(|(class, name)| format!("Java declares no native {class}.{name}")));
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

/// Holds the names by which `Tap.kt` knows a tap, and the manifest the plugin's receiver, against the plugin's own sources.
///
/// # Errors
/// With each that the plugin gives another name.
pub(super) fn hold_plugin(tap: &str, manifest: &str, plugin: &str, its_manifest: &str) -> Result<()> {
    let mut wrong = Vec::new();
    for (ours, theirs) in [
        ("ACTION", "ACTION_INTENT_KEY"),
        ("SOURCE", "NOTIFICATION_OBJ_INTENT_KEY"),
        ("TAPPED", "DEFAULT_PRESS_ACTION"),
    ] {
        match (constant(tap, ours), constant(plugin, theirs)) {
            (Some(ours), Some(theirs)) if ours == theirs => {}
            (here, there) => wrong.push(format!("{ours} is {here:?}, the plugin's {theirs} {there:?}")),
        }
    }
    for said in [
        "intent.action = Intent.ACTION_MAIN",
        "intent.putExtra(ACTION_INTENT_KEY, action)",
        "intent.putExtra(NOTIFICATION_OBJ_INTENT_KEY, notification.sourceJson)",
        "buildIntent(notification, DEFAULT_PRESS_ACTION)",
    ] {
        if !plugin.contains(said) {
            wrong.push(format!("the plugin does not say {said:?} any more"));
        }
    }
    let receiver = "app.tauri.notification.LocalNotificationRestoreReceiver";
    if !manifest.contains(receiver) || !its_manifest.contains(receiver) {
        wrong.push(format!("{receiver} is not in both manifests"));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

/// The text of a constant of Kotlin's.
fn constant<'a>(kotlin: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = kotlin.split_once(&format!("const val {name} = \""))?;
    Some(rest.split_once('"')?.0)
}

/// A static method that Rust calls.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    class: String,
    name: String,
    signature: String,
}

/// Calls of `call_static_method`. The class is the field of `Java` that holds it; the signature is said in the call, or right
/// before it.
fn called(rust: &str) -> Vec<Call> {
    const CALL: &str = "call_static_method(&java.";
    let mut calls = Vec::new();
    for (at, _) in rust.match_indices(CALL) {
        let call = &rust[at + CALL.len()..];
        let call = &call[..call.find(';').unwrap_or(call.len())];
        let Some((field, rest)) = call.split_once(',') else { continue };
        let quoted = |text: &str, macro_name: &str| {
            let (_, rest) = text.split_once(macro_name)?;
            Some(rest.strip_prefix("!(\"")?.split_once('"')?.0.to_owned())
        };
        let before = rust[..at].rfind("jni_sig!").map(|from| &rust[from..at]);
        let signature = quoted(rest, "jni_sig").or_else(|| quoted(before?, "jni_sig"));
        if let (Some(name), Some(signature)) = (quoted(rest, "jni_str"), signature) {
            let mut class = field.trim().to_owned();
            class[..1].make_ascii_uppercase();
            calls.push(Call { class, name, signature });
        }
    }
    calls
}

/// Class and method of each `Java_app_postern_…` that is exported.
fn exported(rust: &str) -> BTreeSet<(String, String)> {
    rust.split("fn Java_app_postern_")
        .skip(1)
        .filter_map(|rest| rest.split(['<', '(']).next()?.split_once('_'))
        .map(|(class, method)| (class.to_owned(), method.to_owned()))
        .collect()
}

#[derive(Debug)]
struct Method {
    name: String,
    signature: String,
    is_static: bool,
    is_native: bool,
}

/// What `javap -p -s` says of a class.
fn methods(said: &str) -> Vec<Method> {
    let mut lines = said.lines().map(str::trim).peekable();
    let mut methods = Vec::new();
    while let Some(line) = lines.next() {
        let Some(signature) = lines.peek().and_then(|next| next.strip_prefix("descriptor: ")) else {
            continue;
        };
        let Some((before, _)) = line.split_once('(') else { continue };
        let name = before.rsplit(' ').next().unwrap_or_default().to_owned();
        let words: Vec<&str> = before.split(' ').collect();
        let has = |word: &str| words.contains(&word);
        methods.push(Method {
            name,
            signature: signature.to_owned(),
            is_static: has("static"),
            is_native: has("native"),
        });
    }
    methods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_with_their_signatures() {
        let rust = r#"
            java(|env, java| env.call_static_method(&java.bluetooth, jni_str!("ask"), jni_sig!("()Z"), &[])?.z());
            let signature = jni_sig!("(Z)V");
            env.call_static_method(&java.files, jni_str!("save"), signature, &[eager.into()])?;
            pub(crate) extern "system" fn Java_app_postern_Native_start<'local>(
        "#;
        let call = |class: &str, name: &str, signature: &str| Call {
            class: class.into(),
            name: name.into(),
            signature: signature.into(),
        };
        assert_eq!(called(rust), [call("Bluetooth", "ask", "()Z"), call("Files", "save", "(Z)V")]);
        assert_eq!(exported(rust), BTreeSet::from([("Native".to_owned(), "start".to_owned())]));
    }

    #[test]
    fn a_name_that_the_plugin_gave_up_is_said() {
        let ours = |action: &str| {
            format!(
                "private const val ACTION = \"{action}\"\nprivate const val SOURCE = \"o\"\nprivate const val TAPPED = \"tap\"\n"
            )
        };
        let plugin = "const val ACTION_INTENT_KEY = \"a\"\nconst val NOTIFICATION_OBJ_INTENT_KEY = \"o\"\n\
                      const val DEFAULT_PRESS_ACTION = \"tap\"\nbuildIntent(notification, DEFAULT_PRESS_ACTION)\n\
                      intent.action = Intent.ACTION_MAIN\nintent.putExtra(ACTION_INTENT_KEY, action)\n\
                      intent.putExtra(NOTIFICATION_OBJ_INTENT_KEY, notification.sourceJson)\n";
        let manifest = "app.tauri.notification.LocalNotificationRestoreReceiver";
        hold_plugin(&ours("a"), manifest, plugin, manifest).unwrap();
        let said = hold_plugin(&ours("b"), manifest, plugin, "").unwrap_err().to_string();
        assert!(said.contains("ACTION is Some(\"b\")") && said.contains("not in both manifests"), "{said}");
    }

    #[test]
    fn methods_are_read_from_what_javap_says() {
        let said = "public final class app.postern.Native {\n  public static final boolean ask();\n    descriptor: ()Z\n\n  \
                    public native void changed(int);\n    descriptor: (I)V\n  private int state;\n    descriptor: I\n}";
        let read = methods(said);
        assert_eq!(read.len(), 2);
        assert!(read[0].is_static && read[0].name == "ask" && read[0].signature == "()Z");
        assert!(read[1].is_native && read[1].name == "changed");
    }
}
