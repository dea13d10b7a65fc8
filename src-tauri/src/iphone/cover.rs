//! What the system shows of the app among the recent ones: it takes a picture when the app has left the screen, and a PIN or an
//! opening code on it would be shown to whoever picks the phone up.

use std::{cell::RefCell, ptr::NonNull};

use block2::RcBlock;
use objc2::{MainThreadMarker, MainThreadOnly as _, rc::Retained};
use objc2_foundation::{NSNotification, NSNotificationCenter, NSNotificationName};
use objc2_ui_kit::{
    UIApplication, UIApplicationDidEnterBackgroundNotification, UIApplicationWillEnterForegroundNotification,
    UIColor, UIView,
};

thread_local! {
    /// What lies over the windows; of the main thread alone.
    static COVERS: RefCell<Vec<Retained<UIView>>> = const { RefCell::new(Vec::new()) };
}

/// From now on a cover lies over every window before that picture is taken, and goes before the app is seen again. The two
/// moments come in pairs; that the app only loses the keyboard, to a call or to the system's own sheets, is neither.
// The names are constants of UIKit.
#[allow(unsafe_code)]
pub(crate) fn begin() {
    unsafe {
        on(UIApplicationDidEnterBackgroundNotification, lay);
        on(UIApplicationWillEnterForegroundNotification, lift);
    }
}

// With no queue the block runs where the notification is posted, which is the main thread, and before the system goes on.
#[allow(unsafe_code)]
fn on(name: &NSNotificationName, act: fn(MainThreadMarker)) {
    let block = RcBlock::new(move |_: NonNull<NSNotification>| {
        if let Some(main) = MainThreadMarker::new() {
            act(main);
        }
    });
    let center = NSNotificationCenter::defaultCenter();
    // The centre holds the observer for as long as the app runs.
    let _ = unsafe { center.addObserverForName_object_queue_usingBlock(Some(name), None, None, &block) };
}

// A scene is a newer word for the same one window.
#[allow(deprecated)]
fn lay(main: MainThreadMarker) {
    lift(main);
    let windows = UIApplication::sharedApplication(main).windows();
    let covers = windows.iter().map(|window| {
        let cover = UIView::initWithFrame(UIView::alloc(main), window.bounds());
        cover.setBackgroundColor(Some(&UIColor::systemBackgroundColor()));
        window.addSubview(&cover);
        cover
    });
    COVERS.set(covers.collect());
}

fn lift(_: MainThreadMarker) {
    for cover in COVERS.take() {
        cover.removeFromSuperview();
    }
}
