use crate::arena::account::*;

const MIB: u64 = 1 << 20;

#[test]
fn grants_up_to_the_limit_and_not_a_byte_more() {
    let account = Account::child(&Account::root(), 10);
    let held = Reservation::new(&account, Kind::Native, 10).unwrap();
    let refusal = Reservation::new(&account, Kind::Native, 1).unwrap_err();
    assert_eq!(
        refusal,
        Refusal {
            requested: 1,
            limit: 10,
            used: 10
        }
    );
    drop(held);
    assert_eq!(account.reserved(), 0);
    assert_eq!(account.usage().peak, 10);
}

#[test]
fn a_refusal_by_an_ancestor_leaves_no_trace_below_it() {
    let root = Account::root();
    let outer = Account::child(&root, 10);
    let inner = Account::child(&outer, 100);
    let refusal = Reservation::new(&inner, Kind::Binary, 11).unwrap_err();
    assert_eq!(refusal.limit, 10);
    assert_eq!(
        [root.reserved(), outer.reserved(), inner.reserved()],
        [0, 0, 0]
    );
    assert_eq!(inner.usage().binaries, 0);
    assert_eq!(inner.headroom(), 10);
}

#[test]
fn absurd_sizes_are_refused_even_by_the_root() {
    let root = Account::root();
    for bytes in [u64::MAX, 1 << 63, (1 << 60) + 1] {
        assert!(Reservation::new(&root, Kind::Native, bytes).is_err());
    }
    assert_eq!(root.reserved(), 0);
}

#[test]
fn what_the_vm_uses_counts_and_handed_out_binaries_count_once() {
    let root = Account::root();
    let account = Account::child(&root, 10 * MIB);
    let _native = Reservation::new(&account, Kind::Native, MIB).unwrap();
    let _binary = Reservation::new(&account, Kind::Binary, 2 * MIB).unwrap();
    account.observe(3 * MIB, 4 * MIB);
    let usage = account.usage();
    assert_eq!(
        (usage.heap, usage.binaries, usage.native, usage.total),
        (3 * MIB, 4 * MIB, MIB, 8 * MIB)
    );
    assert_eq!(root.usage().total, 8 * MIB);
    assert!(account.usage().total <= account.limit());
    assert!(Reservation::new(&account, Kind::Native, 3 * MIB).is_err());
    account.observe(9 * MIB, 0);
    assert!(account.usage().total > account.limit());
}

#[test]
fn bytes_that_outlive_their_quota_are_orphaned_until_refunded() {
    let root = Account::root();
    let account = Account::child(&root, MIB);
    let first = Reservation::new(&account, Kind::Binary, 100).unwrap();
    account.observe(1000, 0);
    account.close();
    account.close();
    assert_eq!((root.orphaned(), root.usage().total), (100, 100));
    let late = Reservation::new(&account, Kind::Native, 5).unwrap();
    assert_eq!(root.orphaned(), 105);
    drop((first, late));
    assert_eq!((root.orphaned(), root.reserved()), (0, 0));
}

#[test]
fn an_account_closes_with_the_last_of_those_below_it() {
    let root = Account::root();
    let outer = Account::child(&root, 100);
    let (first, second) = (Account::child(&outer, 50), Account::child(&outer, 50));
    let deep = Account::child(&second, 50);
    let held = Reservation::new(&deep, Kind::Native, 10).unwrap();
    for account in [&outer, &second, &outer, &first] {
        account.close();
        assert!(account.has_ended());
        assert_eq!(root.orphaned(), 0);
    }
    deep.close();
    assert_eq!(root.orphaned(), 10);
    drop(held);
    // Opened too late to matter.
    Account::child(&outer, 50).close();
    assert_eq!((root.orphaned(), root.reserved()), (0, 0));
}

#[test]
fn bytes_that_outlive_a_nested_quota_are_orphaned_once_and_only_with_the_outermost() {
    let root = Account::root();
    let outer = Account::child(&root, 100);
    let inner = Account::child(&outer, 50);
    let held = Reservation::new(&inner, Kind::Native, 10).unwrap();
    inner.close();
    assert_eq!((root.orphaned(), outer.reserved()), (0, 10));
    outer.close();
    assert_eq!(root.orphaned(), 10);
    drop(held);
    assert_eq!((root.orphaned(), root.reserved()), (0, 0));
}

#[test]
fn resizing_moves_exactly_the_difference() {
    let account = Account::child(&Account::root(), 100);
    let mut held = Reservation::empty(&account, Kind::Native);
    held.try_resize(60).unwrap();
    held.try_resize(20).unwrap();
    assert!(held.try_resize(101).is_err());
    held.shrink(1000);
    assert_eq!((held.bytes(), account.reserved()), (0, 0));
}

#[test]
fn random_operations_on_a_tree_end_at_zero() {
    let root = Account::root();
    let outer = Account::child(&root, 1000);
    let leaves: Vec<_> = (0..4).map(|_| Account::child(&outer, 400)).collect();
    std::thread::scope(|scope| {
        for (seed, leaf) in leaves.iter().enumerate() {
            scope.spawn(move || {
                let mut state = seed as u64 + 1;
                let mut held = Vec::new();
                for _ in 0..10_000 {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                    let kind = if state >> 62 & 1 == 0 {
                        Kind::Native
                    } else {
                        Kind::Binary
                    };
                    if state >> 61 & 1 == 0 || held.len() > 20 {
                        held.pop();
                    } else if let Ok(one) = Reservation::new(leaf, kind, state >> 33 & 0x7f) {
                        held.push(one);
                    }
                    assert!(leaf.reserved() <= 400);
                }
            });
        }
    });
    for account in leaves.iter().chain([&outer, &root]) {
        let usage = account.usage();
        assert_eq!((usage.total, usage.binaries), (0, 0));
    }
    assert!(outer.usage().peak <= 1000);
}

#[test]
fn what_is_over_the_inner_limit_is_not_blamed_on_the_outer_one() {
    let outer = Account::child(&Account::root(), 10 * MIB);
    let inner = Account::child(&outer, 4 * MIB);
    let _held = Reservation::new(&inner, Kind::Native, MIB).unwrap();
    inner.observe(100 * MIB, 0);
    assert!(inner.usage().total > inner.limit());
    assert_eq!(outer.usage().total, 4 * MIB);
    assert!(outer.usage().total <= outer.limit());
    inner.close();
    assert_eq!(outer.usage().total, MIB);
}

#[test]
fn only_the_first_breach_counts_and_keeps_its_figures() {
    let account = Account::child(&Account::root(), MIB);
    account.observe(3 * MIB, 2 * MIB);
    assert_eq!(account.usage().largest(), Category::Heap);
    assert!(account.breach(account.usage().largest()));
    account.observe(0, 0);
    assert!(!account.breach(Category::Result));
    let breach = account.recorded().unwrap();
    assert_eq!(breach.category, Category::Heap);
    assert_eq!(breach.usage.total, 5 * MIB);
}

#[test]
fn every_kind_has_its_own_peak_and_counts_in_the_outer_quota() {
    let outer = Account::child(&Account::root(), 100 * MIB);
    let inner = Account::child(&outer, 50 * MIB);
    outer.observe(MIB, 0);
    inner.observe_ets(5 * MIB);
    inner.observe(3 * MIB, 2 * MIB);
    let usage = outer.usage();
    assert_eq!(
        (usage.heap, usage.binaries, usage.ets, usage.total),
        (4 * MIB, 2 * MIB, 5 * MIB, 11 * MIB)
    );
    assert_eq!(inner.usage().largest(), Category::Ets);
    inner.observe(4 * MIB, 0);
    assert_eq!(inner.usage().ets, 5 * MIB);
    inner.close();
    let peaks = outer.peaks();
    assert_eq!(
        (peaks.heap, peaks.binaries, peaks.ets, peaks.total),
        (5 * MIB, 2 * MIB, 5 * MIB, MIB)
    );
}

#[test]
fn what_is_noted_counts_in_the_peaks_and_in_nothing_else() {
    let outer = Account::child(&Account::root(), 100 * MIB);
    let inner = Account::child(&outer, 4 * MIB);
    let held = Reservation::new(&inner, Kind::Binary, MIB).unwrap();
    // Binaries that the ledger has handed out are among those that the VM sees.
    assert_eq!(inner.note(MIB, 2 * MIB), 3 * MIB);
    for account in [&inner, &outer] {
        let (usage, peaks) = (account.usage(), account.peaks());
        assert_eq!((usage.total, usage.peak), (MIB, 3 * MIB));
        assert_eq!((peaks.heap, peaks.binaries), (MIB, 2 * MIB));
    }
    // What is over the inner limit is not the outer account's.
    assert_eq!(inner.note(9 * MIB, 0), 10 * MIB);
    assert_eq!(outer.usage().peak, 3 * MIB);
    drop(held);
}

#[test]
fn an_account_that_nobody_has_observed_ends_and_refuses_later_observations() {
    let outer = Account::child(&Account::root(), 100 * MIB);
    let inner = Account::child(&outer, 4 * MIB);
    inner.end_observing();
    inner.observe(MIB, MIB);
    inner.close();
    assert_eq!((inner.usage().total, outer.usage().total), (0, 0));
}
