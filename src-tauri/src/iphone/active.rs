//! That the app has the screen again. tao tells of it only where the app had left for the background: behind a question of the system's,
//! Face ID or a call that was declined it would count as left for ever (tauri-apps/tao#1307).

use std::ptr::NonNull;

use block2::RcBlock;
use objc2_foundation::{NSNotification, NSNotificationCenter};
use objc2_ui_kit::UIApplicationDidBecomeActiveNotification;

/// Calls this each time that the app has the screen, on the main thread.
// The name is a constant of UIKit.
#[allow(unsafe_code)]
pub(crate) fn whenever(then: impl Fn() + 'static) {
    let block = RcBlock::new(move |_: NonNull<NSNotification>| then());
    let center = NSNotificationCenter::defaultCenter();
    // The centre holds the observer for as long as the app runs.
    let _ = unsafe {
        center.addObserverForName_object_queue_usingBlock(
            Some(UIApplicationDidBecomeActiveNotification),
            None,
            None,
            &block,
        )
    };
}
