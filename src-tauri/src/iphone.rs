//! What an iPhone wants of an app in Apple's own words.

pub(crate) mod active;
pub(crate) mod cover;
pub(crate) mod notices;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use block2::RcBlock;
use objc2::{MainThreadMarker, runtime::AnyObject};
use objc2_foundation::{NSNumber, NSString, NSURL, NSURLIsExcludedFromBackupKey};
use objc2_ui_kit::UIApplication;
use tauri::AppHandle;

/// How long the last words to a locker, and the last write, may take. The system grants some 30 s.
const FINISHING: Duration = Duration::from_secs(25);
/// `UIBackgroundTaskInvalid`.
const NONE: usize = 0;

/// Keeps this folder out of backups: what is in it is sealed under a key of this device.
// The value is a number, which is what this key wants.
#[allow(unsafe_code)]
pub(crate) fn keep_out_of_backups(folder: &Path) -> bool {
    let Some(path) = folder.to_str() else { return false };
    let url = NSURL::fileURLWithPath(&NSString::from_str(path));
    let yes = NSNumber::new_bool(true);
    let yes: &AnyObject = &yes;
    let set = unsafe { url.setResourceValue_forKey_error(Some(yes), NSURLIsExcludedFromBackupKey) };
    set.inspect_err(
        |error| tracing::warn!(code = "in_backups", %error, "the wallet's folder goes into backups"),
    )
    .is_ok()
}

/// The app has left the screen: asks for the time to end what it is doing, such as the last words to a locker when a call
/// comes in.
pub(crate) fn finish(app: &AppHandle) {
    let Some(main) = MainThreadMarker::new() else { return };
    let task = Arc::new(AtomicUsize::new(NONE));
    let expired = task.clone();
    // Who does not say in time that they are done is ended.
    let expire = RcBlock::new(move || end(&expired));
    let begun =
        UIApplication::sharedApplication(main).beginBackgroundTaskWithExpirationHandler(Some(&*expire));
    task.store(begun, Ordering::SeqCst);
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(FINISHING).await;
        let _ = app.run_on_main_thread(move || end(&task));
    });
}

/// Says once that we are done.
fn end(task: &AtomicUsize) {
    let begun = task.swap(NONE, Ordering::SeqCst);
    if begun != NONE
        && let Some(main) = MainThreadMarker::new()
    {
        UIApplication::sharedApplication(main).endBackgroundTask(begun);
    }
}
