//! Things to tell once.

use crate::view::{NoticeCode, NoticeView};

/// Older ones give way: nobody reads more.
const MAX: usize = 20;

/// The notices that were not dismissed.
#[derive(Default)]
pub(crate) struct Notices {
    notices: Vec<NoticeView>,
    last_id: u64,
}

impl Notices {
    /// Tells something.
    pub(crate) fn tell(&mut self, code: NoticeCode, reservation: Option<String>) {
        let known = |notice: &NoticeView| notice.code == code && notice.reservation == reservation;
        if self.notices.iter().any(known) {
            return;
        }
        if self.notices.len() == MAX {
            self.notices.remove(0);
        }
        self.last_id += 1;
        self.notices.push(NoticeView { id: self.last_id, code, reservation });
    }

    /// It was read.
    pub(crate) fn dismiss(&mut self, id: u64) {
        self.notices.retain(|notice| notice.id != id);
    }

    /// Nothing is left to tell; numbers are not given again.
    pub(crate) fn clear(&mut self) {
        self.notices.clear();
    }

    /// For the window: what still holds. That something lies ready is no news once it does not any more.
    pub(crate) fn view(&self, ready: impl Fn(&str) -> bool) -> Vec<NoticeView> {
        let holds = |notice: &&NoticeView| {
            notice.code != NoticeCode::NewReady || notice.reservation.as_deref().is_some_and(&ready)
        };
        self.notices.iter().filter(holds).cloned().collect()
    }
}
