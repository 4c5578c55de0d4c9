//! The ledger: who may hold how many bytes, and who holds them now.
//!
//! ```text
//!            root account (the node, no limit)
//!              |                  |
//!      Quota.run(64 MiB)   Quota.run(16 MiB)      accounts: limit, used, peak
//!              |
//!      nested Quota.run(8 MiB)
//!         |          |
//!    Reservation  Reservation                     bytes granted, refunded on drop
//! ```
//!
//! A reservation is granted by every account from its own up to the root, or by none. Bytes that
//! outlive their quota stay charged up the tree. Once the outermost quota has ended as well, they show as
//! [`Account::orphaned`] of the root, and stay in use in the pool that admitted the quota.
//!
//! Two kinds of bytes are reserved, kept apart so that nothing is counted twice: payloads of binaries
//! handed to the VM, which the VM also counts in the process that holds them, and everything else,
//! which only this ledger sees. What the VM itself uses is reported with [`Account::observe`].

use crate::arena::pool::{Admission, Pool, never_negative};
use crate::sync::{Arc, AtomicU64, OnceLock, Ordering};

mod batch_poll;
mod breach;
mod closing;
mod observed;
mod peaks;
mod poll_interval;
mod refusals;
mod reservation;
mod usage;

pub use crate::arena::account::batch_poll::BatchPoll;
pub use crate::arena::account::breach::{Breach, Category};
use crate::arena::account::closing::Closing;
use crate::arena::account::observed::Observed;
use crate::arena::account::peaks::Peaks;
pub use crate::arena::account::poll_interval::{Look, PollInterval, PollLoad};
use crate::arena::account::refusals::Refusals;
pub use crate::arena::account::reservation::Reservation;
use crate::arena::account::usage::MAX_BYTES;
pub use crate::arena::account::usage::{Kind, Refusal, UNLIMITED, Usage};

/// Set in [`Account::used`] once the account is closed; what is still used is then orphaned.
const CLOSED: u64 = 1 << 63;

/// The ledger of one quota.
#[derive(Debug)]
pub struct Account {
    limit: u64,
    /// Bytes reserved here and below, of both kinds, and the [`CLOSED`] flag.
    used: AtomicU64,
    /// The part of `used` that is of [`Kind::Binary`].
    binaries: AtomicU64,
    /// The VM's own usage as last observed, without the binaries that `used` already includes.
    observed: Observed,
    peak: AtomicU64,
    peaks: Peaks,
    /// Bytes that outlived their quota; kept in the root only.
    orphaned: AtomicU64,
    breach: OnceLock<Breach>,
    parent: Option<Arc<Account>>,
    /// The admissions of pools for this quota.
    admission: OnceLock<Admission>,
    closing: Closing,
    refusals: Refusals,
}

impl Account {
    /// An account with neither limit nor parent: the node's.
    pub fn root() -> Arc<Account> {
        Account::build(UNLIMITED, None)
    }

    /// An account of at most `limit` bytes whose usage counts in `parent` too, which does not close before it.
    pub fn child(parent: &Arc<Account>, limit: u64) -> Arc<Account> {
        parent.opened_below();
        Account::build(limit, Some(Arc::clone(parent)))
    }

    fn build(limit: u64, parent: Option<Arc<Account>>) -> Arc<Account> {
        Arc::new(Account {
            limit,
            used: AtomicU64::new(0),
            binaries: AtomicU64::new(0),
            observed: Observed::new(),
            peak: AtomicU64::new(0),
            peaks: Peaks::new(),
            orphaned: AtomicU64::new(0),
            breach: OnceLock::new(),
            parent,
            admission: OnceLock::new(),
            closing: Closing::new(),
            refusals: Refusals::new(),
        })
    }

    /// Makes the quota's bytes those of `admission`, which goes back when this account is closed, less what
    /// outlives it. To be called before anything is charged. Gives the admission back when there is one already.
    pub fn admit(&self, admission: Admission) -> Result<(), Admission> {
        self.admission.set(admission)?;
        // The process that asked may have given up meanwhile. Closing changes the same word: either it comes later and
        // finds the admission, or it is seen here. A plain load could miss it.
        if self.used.fetch_add(0, Ordering::AcqRel) & CLOSED != 0
            && let Some(admission) = self.admission.get()
        {
            admission.settle(0);
        }
        Ok(())
    }

    /// The pools that admitted this quota or one that it is nested in.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.ancestors().filter_map(Account::pool)
    }

    /// Whether a pool admitted this quota itself.
    pub fn is_admitted(&self) -> bool {
        self.pool().is_some()
    }

    /// The pool that admitted this quota itself.
    fn pool(&self) -> Option<&Arc<Pool>> {
        self.admission.get().map(Admission::pool)
    }

    /// Whether `pool` admitted this quota or one that it is nested in, so that its bytes are reserved already.
    pub fn is_admitted_by(&self, pool: &Arc<Pool>) -> bool {
        self.pools().any(|granter| Arc::ptr_eq(granter, pool))
    }

    /// The limit in bytes; [`UNLIMITED`] for the root.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes reserved and not yet refunded, descendants included.
    pub fn reserved(&self) -> u64 {
        self.used.load(Ordering::Acquire) & !CLOSED
    }

    /// Bytes that outlived their quota. Only the root's figure is meaningful.
    pub fn orphaned(&self) -> u64 {
        never_negative(self.orphaned.load(Ordering::Acquire))
    }

    /// Bytes that can still be reserved, by this account's and all its ancestors' limits.
    pub fn headroom(&self) -> u64 {
        self.ancestors()
            .map(|account| account.limit.saturating_sub(account.total()))
            .min()
            .unwrap_or(0)
    }

    /// Everything in use at this moment.
    pub fn usage(&self) -> Usage {
        let reserved = self.reserved();
        let handed_out = self.binaries.load(Ordering::Acquire).min(reserved);
        let (heap, vm_binaries, ets) = self.observed.parts();
        let total = reserved + heap + vm_binaries + ets;
        Usage {
            heap,
            binaries: handed_out + vm_binaries,
            native: reserved - handed_out,
            ets,
            total,
            peak: self.peak.load(Ordering::Acquire).max(total),
        }
    }

    /// The largest figure seen of each kind, not all at the same time. `total` and `peak` are those of `usage`.
    pub fn peaks(&self) -> Usage {
        self.peaks.of(self.usage())
    }

    /// Records a breach with the usage of this moment. The first one counts; returns whether it was.
    pub fn breach(&self, category: Category) -> bool {
        let usage = self.usage();
        self.breach.set(Breach { category, usage }).is_ok()
    }

    /// The breach that was recorded, if any.
    pub fn recorded(&self) -> Option<Breach> {
        self.breach.get().copied()
    }

    /// Refuses the reservation `nth` from now on, of this account or one below it, and with `lasting` every later one; 0 for none.
    /// Returns the number of those refused since the last call.
    #[cfg(feature = "faults")]
    pub fn refuse_reservation(&self, nth: u64, lasting: bool) -> u64 {
        self.refusals.set(nth, lasting)
    }

    fn total(&self) -> u64 {
        self.reserved() + self.observed.all()
    }

    fn note_peak(&self) {
        self.note_peak_with(0, 0);
    }

    /// Notes the peak if the VM used this much more.
    fn note_peak_with(&self, heap: u64, binaries: u64) {
        let mut usage = self.usage();
        usage.heap += heap;
        usage.binaries += binaries;
        usage.total += heap + binaries;
        self.peaks.note(usage);
        if usage.total > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(usage.total, Ordering::AcqRel);
        }
    }

    fn ancestors(&self) -> impl Iterator<Item = &Account> {
        std::iter::successors(Some(self), |account| account.parent.as_deref())
    }

    /// The root, if this is an outermost quota. Bytes that outlive a nested quota are still held by the outer one.
    fn parent_root(&self) -> Option<&Account> {
        self.parent.as_deref().filter(|it| it.parent.is_none())
    }

    /// Grants `bytes` in every account up to the root, or in none.
    fn grow(&self, kind: Kind, bytes: u64) -> Result<(), Refusal> {
        for account in self.ancestors() {
            if let Err(refusal) = account.grow_here(kind, bytes) {
                for granted in self.ancestors() {
                    if std::ptr::eq(granted, account) {
                        break;
                    }
                    granted.shrink_here(kind, bytes);
                }
                return Err(refusal);
            }
        }
        Ok(())
    }

    fn shrink(&self, kind: Kind, bytes: u64) {
        for account in self.ancestors() {
            account.shrink_here(kind, bytes);
        }
    }

    fn grow_here(&self, kind: Kind, bytes: u64) -> Result<(), Refusal> {
        let observed = self.observed.all();
        let refusal = |used: u64| Refusal {
            requested: bytes,
            limit: self.limit,
            used: (used & !CLOSED) + observed,
        };
        if bytes > MAX_BYTES || self.refusals.next() {
            return Err(refusal(self.used.load(Ordering::Acquire)));
        }
        let before = self
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                let total = (used & !CLOSED) + bytes + observed;
                (total <= self.limit.min(MAX_BYTES)).then_some(used + bytes)
            })
            .map_err(refusal)?;
        if before & CLOSED != 0 {
            if let Some(root) = self.parent_root() {
                root.orphaned.fetch_add(bytes, Ordering::AcqRel);
            }
            if let Some(pool) = self.pool() {
                pool.orphan(bytes);
            }
        }
        if kind == Kind::Binary {
            self.binaries.fetch_add(bytes, Ordering::AcqRel);
        }
        self.note_peak();
        Ok(())
    }

    fn shrink_here(&self, kind: Kind, bytes: u64) {
        if kind == Kind::Binary {
            self.binaries.fetch_sub(bytes, Ordering::AcqRel);
        }
        let before = self.used.fetch_sub(bytes, Ordering::AcqRel);
        debug_assert!(before & !CLOSED >= bytes, "refunded more than was reserved");
        if before & CLOSED != 0 {
            if let Some(root) = self.parent_root() {
                root.orphaned.fetch_sub(bytes, Ordering::AcqRel);
            }
            if let Some(pool) = self.pool() {
                pool.refund_orphan(bytes);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
#[allow(clippy::unwrap_used)]
mod tests;

#[cfg(all(test, loom))]
mod loom_tests;
