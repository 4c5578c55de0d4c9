//! The end of a quota. Its own work may end before that of the quotas below it: those that its work has
//! nested, and the processes that count towards it. As long as one of them runs there is memory that was
//! reserved for this quota, so it closes with the last of them.

use crate::arena::account::{Account, CLOSED};
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// The conditions for an account to close.
#[derive(Debug)]
pub struct Closing {
    ended: AtomicBool,
    /// Its own work, until that has ended, and every account below it that has not closed.
    open: AtomicU64,
}

impl Closing {
    pub fn new() -> Closing {
        Closing {
            ended: AtomicBool::new(false),
            open: AtomicU64::new(1),
        }
    }
}

impl Account {
    /// An account has been opened below this one. The root never closes: there is nothing to count.
    pub(super) fn opened_below(&self) {
        if self.parent.is_some() {
            self.closing.open.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Whether its own work has ended. It is closed once all below it is closed as well.
    pub fn has_ended(&self) -> bool {
        self.closing.ended.load(Ordering::Acquire)
    }

    /// Ends the quota's own work: nothing is observed any more. When no account below is open, or else with the
    /// last of them, the account closes: what is still reserved is orphaned until it is refunded. Ending it
    /// twice changes nothing.
    pub fn close(&self) {
        // Every quota is closed again when it is dropped.
        if self.has_ended() {
            return;
        }
        self.end_observing();
        if self.closing.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        for account in self.ancestors() {
            if account.parent.is_none() || account.closing.open.fetch_sub(1, Ordering::AcqRel) > 1 {
                break;
            }
            account.settle();
        }
    }

    fn settle(&self) {
        let used = self.used.fetch_or(CLOSED, Ordering::AcqRel);
        // An account opened below one that is closed already may bring it here again.
        if used & CLOSED != 0 {
            return;
        }
        // Most leave nothing, and every run on the node shares the root's counter.
        if used > 0
            && let Some(root) = self.parent_root()
        {
            root.orphaned.fetch_add(used, Ordering::AcqRel);
        }
        if let Some(admission) = self.admission.get() {
            admission.settle(used);
        }
    }
}
