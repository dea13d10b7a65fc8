//! Notifications of an iPhone, by the system's own centre. Not by the plugin: it takes a moment of UTC for one of the phone's
//! time zone, and ends the app where somebody taps on what an earlier run of it had planned.
// A class of Objective-C, and what the system lends to blocks.
#![allow(unsafe_code)]

use std::{ptr::NonNull, sync::mpsc, time::SystemTime};

use block2::{DynBlock, RcBlock};
use objc2::{
    ClassType, define_class, msg_send,
    rc::Retained,
    runtime::{Bool, NSObject, NSObjectProtocol, ProtocolObject},
};
use objc2_foundation::{NSArray, NSDictionary, NSError, NSString, ns_string};
use objc2_user_notifications::{
    UNAuthorizationOptions, UNMutableNotificationContent, UNNotification, UNNotificationPresentationOptions,
    UNNotificationRequest, UNNotificationResponse, UNNotificationSound, UNTimeIntervalNotificationTrigger,
    UNUserNotificationCenter, UNUserNotificationCenterDelegate,
};
use tauri::AppHandle;

use crate::notices::{Notice, until};

fn centre() -> Retained<UNUserNotificationCenter> {
    UNUserNotificationCenter::currentNotificationCenter()
}

define_class!(
    // SAFETY: `NSObject` asks nothing of who extends it, and there is no `Drop`.
    #[unsafe(super(NSObject))]
    #[name = "PosternListener"]
    struct Listener;

    // SAFETY: nothing is to be kept.
    unsafe impl NSObjectProtocol for Listener {}

    // SAFETY: signatures as Apple has them.
    unsafe impl UNUserNotificationCenterDelegate for Listener {
        /// Over the app as well: a notification may be about another parcel than the one on the screen.
        #[unsafe(method(userNotificationCenter:willPresentNotification:withCompletionHandler:))]
        fn presents(
            &self,
            _centre: &UNUserNotificationCenter,
            _notification: &UNNotification,
            present: &DynBlock<dyn Fn(UNNotificationPresentationOptions)>,
        ) {
            let shown = UNNotificationPresentationOptions::Banner | UNNotificationPresentationOptions::List;
            present.call((shown | UNNotificationPresentationOptions::Sound,));
        }

        #[unsafe(method(userNotificationCenter:didReceiveNotificationResponse:withCompletionHandler:))]
        fn tapped(
            &self,
            _centre: &UNUserNotificationCenter,
            response: &UNNotificationResponse,
            done: &DynBlock<dyn Fn()>,
        ) {
            let told = response.notification().request().content().userInfo();
            let about = told.objectForKey(key());
            if let Some(Ok(reservation)) = about.map(Retained::downcast::<NSString>) {
                crate::window::reservation(reservation.to_string());
            }
            done.call(());
        }
    }
);

/// Hears of taps. Called before the system starts the app: the tap that starts it is told no later.
pub(crate) fn listen() {
    // SAFETY: `new` of a class with nothing to initialise.
    let listener: Retained<Listener> = unsafe { msg_send![Listener::class(), new] };
    centre().setDelegate(Some(ProtocolObject::from_ref(&*listener)));
    // The centre does not keep it, so it is never let go.
    let _ = Retained::into_raw(listener);
}

/// Whether they may be shown; the system asks where nobody has asked yet. Takes as long as the answer does.
pub(crate) fn allowed(_app: &AppHandle) -> bool {
    let (tell, told) = mpsc::channel();
    let answered = RcBlock::new(move |granted: Bool, _: *mut NSError| {
        let _ = tell.send(granted.as_bool());
    });
    let wanted = UNAuthorizationOptions::Alert | UNAuthorizationOptions::Sound;
    centre().requestAuthorizationWithOptions_completionHandler(wanted, &answered);
    told.recv().unwrap_or(false)
}

/// Shows it, or has it shown at its time.
pub(crate) fn show(_app: &AppHandle, notice: &Notice) {
    let wait = notice.at.map(|at| until(at, SystemTime::now()));
    // The system ends an app that plans for the past.
    if wait == Some(None) {
        return;
    }
    let trigger = wait.flatten().map(|wait| {
        UNTimeIntervalNotificationTrigger::triggerWithTimeInterval_repeats(wait.as_secs_f64(), false)
    });
    let content = UNMutableNotificationContent::new();
    content.setTitle(&NSString::from_str(&notice.title));
    content.setBody(&NSString::from_str(&notice.body));
    content.setSound(Some(&UNNotificationSound::defaultSound()));
    if let Some(reservation) = &notice.reservation {
        let about = NSDictionary::from_slices(&[key()], &[&*NSString::from_str(reservation)]);
        // SAFETY: texts are what may be in there.
        unsafe { content.setUserInfo(about.cast_unchecked()) };
    }
    let request = UNNotificationRequest::requestWithIdentifier_content_trigger(
        &identifier(notice.id),
        &content,
        trigger.as_deref().map(|trigger| &**trigger),
    );
    let taken = RcBlock::new(|error: *mut NSError| {
        // SAFETY: none, or the system's for as long as this runs.
        if let Some(error) = unsafe { error.as_ref() } {
            tracing::warn!(code = "notice_refused", %error, "the system did not take a notification");
        }
    });
    centre().addNotificationRequest_withCompletionHandler(&request, Some(&taken));
}

/// What is to come.
pub(crate) fn pending(_app: &AppHandle) -> Vec<i32> {
    let (tell, told) = mpsc::channel();
    let listed = RcBlock::new(move |requests: NonNull<NSArray<UNNotificationRequest>>| {
        // SAFETY: the system's for as long as this runs.
        let requests = unsafe { requests.as_ref() };
        let ids = requests.iter().filter_map(|one| one.identifier().to_string().parse().ok());
        let _ = tell.send(ids.collect());
    });
    centre().getPendingNotificationRequestsWithCompletionHandler(&listed);
    told.recv().unwrap_or_default()
}

/// Takes back what is to come.
pub(crate) fn cancel(_app: &AppHandle, ids: Vec<i32>) {
    let ids: Vec<_> = ids.into_iter().map(identifier).collect();
    centre().removePendingNotificationRequestsWithIdentifiers(&NSArray::from_retained_slice(&ids));
}

/// Under which a notification has its reservation.
fn key() -> &'static NSString {
    ns_string!("reservation")
}

fn identifier(id: i32) -> Retained<NSString> {
    NSString::from_str(&id.to_string())
}
