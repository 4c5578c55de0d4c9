//! Every interleaving of an account's atomics. Run by `bin/loom`.

use crate::arena::account::*;
use loom::thread;

#[test]
fn growing_races_shrinking_and_no_byte_is_lost() {
    loom::model(|| {
        let account = Account::child(&Account::root(), 10);
        let mut mine = Reservation::new(&account, Kind::Native, 6).unwrap();
        let other = {
            let account = Arc::clone(&account);
            thread::spawn(move || Reservation::new(&account, Kind::Binary, 6).ok())
        };
        mine.shrink(2);
        let theirs = other.join().unwrap();
        let expected = 4 + theirs.as_ref().map_or(0, Reservation::bytes);
        assert_eq!(account.reserved(), expected);
        assert!(account.usage().peak <= 10);
        drop((mine, theirs));
        assert_eq!((account.reserved(), account.usage().binaries), (0, 0));
    });
}

#[test]
fn two_growths_never_pass_the_limit_together() {
    loom::model(|| {
        let account = Account::child(&Account::root(), 10);
        let other = {
            let account = Arc::clone(&account);
            thread::spawn(move || Reservation::new(&account, Kind::Native, 6).ok())
        };
        let mine = Reservation::new(&account, Kind::Native, 6).ok();
        let theirs = other.join().unwrap();
        assert!(mine.is_some() != theirs.is_some());
        assert_eq!(account.reserved(), 6);
    });
}

#[test]
fn closing_races_a_refund_and_orphans_end_at_zero() {
    loom::model(|| {
        let root = Account::root();
        let account = Account::child(&root, 10);
        let held = Reservation::new(&account, Kind::Native, 6).unwrap();
        let other = thread::spawn(move || drop(held));
        account.close();
        assert!(root.orphaned() <= 6);
        other.join().unwrap();
        assert_eq!((root.orphaned(), root.reserved()), (0, 0));
    });
}

#[test]
fn closing_races_growth_and_what_is_left_is_orphaned() {
    loom::model(|| {
        let root = Account::root();
        let account = Account::child(&root, 10);
        let other = {
            let account = Arc::clone(&account);
            thread::spawn(move || Reservation::new(&account, Kind::Native, 6).unwrap())
        };
        account.close();
        let held = other.join().unwrap();
        assert_eq!((root.orphaned(), root.reserved()), (6, 6));
        drop(held);
        assert_eq!((root.orphaned(), root.reserved()), (0, 0));
    });
}

/// The work of an outer quota ends while that of a nested one does: the last of them closes both.
#[test]
fn two_ends_race_and_the_outer_account_closes_once_with_the_last() {
    loom::model(|| {
        let root = Account::root();
        let outer = Account::child(&root, 10);
        let inner = Account::child(&outer, 10);
        let held = Reservation::new(&inner, Kind::Native, 6).unwrap();
        let other = thread::spawn(move || inner.close());
        outer.close();
        other.join().unwrap();
        assert_eq!(root.orphaned(), 6);
        drop(held);
        assert_eq!((root.orphaned(), root.reserved()), (0, 0));
    });
}

/// Two quotas below one parent that has room for one: the one refused leaves nothing behind, while
/// the other one's refund runs.
#[test]
fn a_parents_refusal_is_rolled_back_while_a_sibling_refunds() {
    loom::model(|| {
        let root = Account::root();
        let parent = Account::child(&root, 10);
        let (left, right) = (Account::child(&parent, 10), Account::child(&parent, 10));
        let held = Reservation::new(&left, Kind::Native, 6).unwrap();
        let sibling = thread::spawn(move || drop(held));
        let mine = Reservation::new(&right, Kind::Native, 6).ok();
        sibling.join().unwrap();
        let expected = mine.as_ref().map_or(0, Reservation::bytes);
        for account in [&right, &parent, &root] {
            assert_eq!(account.reserved(), expected);
        }
        assert_eq!(left.reserved(), 0);
        drop(mine);
        assert_eq!([parent.reserved(), root.reserved()], [0, 0]);
    });
}

#[test]
fn what_the_vm_uses_is_observed_from_two_quotas_at_once() {
    loom::model(|| {
        let root = Account::root();
        let (left, right) = (Account::child(&root, 10), Account::child(&root, 10));
        let other = thread::spawn(move || {
            right.observe(5, 0);
            right.close();
        });
        left.observe(3, 0);
        other.join().unwrap();
        assert_eq!(root.usage().total, 3);
        left.close();
        assert_eq!(root.usage().total, 0);
    });
}

#[test]
fn what_is_observed_too_late_leaves_nothing_behind() {
    // Each of the two touches some thirty words: more than two interruptions take minutes.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let root = Account::root();
        let account = Account::child(&root, 10);
        let other = {
            let account = Arc::clone(&account);
            thread::spawn(move || account.observe(5, 2))
        };
        account.close();
        other.join().unwrap();
        assert_eq!((account.usage().total, root.usage().total), (0, 0));
    });
}

#[test]
fn two_reports_of_one_account_never_count_twice_above_nor_below_zero() {
    // Each report touches some thirty words: more than two interruptions take minutes.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let root = Account::root();
        let account = Account::child(&root, 10);
        account.observe(4, 0);
        let late = {
            let account = Arc::clone(&account);
            thread::spawn(move || account.observe(3, 0))
        };
        let ending = {
            let account = Arc::clone(&account);
            thread::spawn(move || account.end_observing())
        };
        let total = root.usage().total;
        assert!(total <= 4, "{total} of at most 4");
        late.join().unwrap();
        ending.join().unwrap();
        assert_eq!(root.usage().total, 0);
    });
}

#[test]
fn what_a_process_uses_as_it_ends_is_not_replaced_by_an_earlier_figure_of_its_watcher() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let account = Account::child(&Account::root(), 10);
        let late = {
            let account = Arc::clone(&account);
            thread::spawn(move || account.observe(20, 0))
        };
        let ended = {
            let account = Arc::clone(&account);
            thread::spawn(move || (account.note(3, 0), account.total_with(3, 0)))
        };
        assert_eq!(ended.join().unwrap(), (3, 3));
        late.join().unwrap();
    });
}
