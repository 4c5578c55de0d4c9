use crate::arena::account::{Account, Kind, Reservation};
use crate::arena::pool::*;

const MIB: u64 = 1 << 20;

fn reserved(pool: &Pool) -> (u64, u64) {
    let figures = pool.figures();
    (figures.reserved, figures.orphaned)
}

/// A quota of `bytes` that `pool` admitted.
fn admitted(pool: &Arc<Pool>, parent: &Arc<Account>, bytes: u64) -> Arc<Account> {
    let account = Account::child(parent, bytes);
    let admission = Pool::admit(pool, bytes, None).unwrap();
    assert!(account.admit(admission).is_ok());
    account
}

#[test]
fn admits_up_to_its_size_and_not_a_byte_more() {
    let pool = Pool::new(100);
    let first = Pool::admit(&pool, 60, None).unwrap();
    let _second = Pool::admit(&pool, 40, None).unwrap();
    let refusal = Pool::admit(&pool, 1, None).unwrap_err();
    assert_eq!(
        refusal,
        Refusal {
            reason: Reason::Full,
            asked: 1,
            free: 0
        }
    );
    drop(first);
    assert_eq!(Pool::admit(&pool, 61, None).unwrap_err().free, 60);
    let figures = pool.figures();
    assert_eq!((figures.reserved, figures.peak), (40, 100));
    assert_eq!((figures.running, figures.admitted), (1, 2));
}

#[test]
fn more_than_the_pool_is_told_apart_from_a_full_pool() {
    let pool = Pool::new(100);
    for asked in [101, u64::MAX] {
        let reason = Pool::admit(&pool, asked, None).unwrap_err().reason;
        assert_eq!(reason, Reason::TooLarge);
    }
}

#[test]
fn newcomers_do_not_pass_those_who_wait() {
    let pool = Pool::new(100);
    pool.set_waiting(1);
    assert_eq!(
        Pool::admit(&pool, 1, None).unwrap_err().reason,
        Reason::Queued
    );
    let head = Pool::admit_queued(&pool, 80, None).unwrap();
    let reason = Pool::admit_queued(&pool, 21, None).unwrap_err().reason;
    assert_eq!(reason, Reason::Full);
    assert!(pool.is_queued());
    pool.set_waiting(0);
    assert!(Pool::admit(&pool, 20, None).is_ok());
    drop(head);
    assert_eq!(reserved(&pool), (0, 0));
}

#[test]
fn nobody_is_admitted_while_paused_and_bytes_still_go_back() {
    let pool = Pool::new(100);
    let held = Pool::admit(&pool, 50, None).unwrap();
    pool.set_paused(true);
    for refusal in [
        Pool::admit(&pool, 1, None).unwrap_err(),
        Pool::admit_queued(&pool, 1, None).unwrap_err(),
    ] {
        assert_eq!(refusal.reason, Reason::Paused);
    }
    drop(held);
    assert_eq!(reserved(&pool), (0, 0));
    pool.set_paused(false);
    assert!(Pool::admit(&pool, 100, None).is_ok());
}

#[test]
fn a_pool_made_smaller_admits_nothing_until_there_is_room() {
    let pool = Pool::new(100);
    let held = Pool::admit(&pool, 90, None).unwrap();
    pool.resize(50);
    assert_eq!(Pool::admit(&pool, 1, None).unwrap_err().free, 0);
    drop(held);
    assert!(Pool::admit(&pool, 50, None).is_ok());
}

#[test]
fn an_admission_goes_back_with_its_account_less_what_outlives_it() {
    let (root, pool) = (Account::root(), Pool::new(10 * MIB));
    let account = admitted(&pool, &root, 8 * MIB);
    let kept = Reservation::new(&account, Kind::Binary, MIB).unwrap();
    let lost = Reservation::new(&account, Kind::Native, 2 * MIB).unwrap();
    assert_eq!(reserved(&pool), (8 * MIB, 0));
    account.close();
    account.close();
    assert_eq!(reserved(&pool), (3 * MIB, 3 * MIB));
    drop(lost);
    assert_eq!(reserved(&pool), (MIB, MIB));
    let late = Reservation::new(&account, Kind::Native, 5).unwrap();
    assert_eq!(reserved(&pool), (MIB + 5, MIB + 5));
    drop((account, kept, late));
    assert_eq!(reserved(&pool), (0, 0));
    assert_eq!(pool.figures().running, 0);
}

#[test]
fn an_account_dropped_without_being_closed_gives_back_all() {
    let (root, pool) = (Account::root(), Pool::new(100));
    drop(admitted(&pool, &root, 60));
    assert_eq!(reserved(&pool), (0, 0));
}

#[test]
fn nested_quotas_are_covered_by_the_outer_admission() {
    let (root, pool) = (Account::root(), Pool::new(100));
    let outer = admitted(&pool, &root, 60);
    let inner = Account::child(&outer, 20);
    assert!(inner.is_admitted_by(&pool));
    assert!(!inner.is_admitted_by(&Pool::new(100)));
    assert!(!Account::child(&root, 20).is_admitted_by(&pool));
    let kept = Reservation::new(&inner, Kind::Native, 10).unwrap();
    inner.close();
    assert_eq!(reserved(&pool), (60, 0));
    outer.close();
    assert_eq!(reserved(&pool), (10, 10));
    drop(kept);
    assert_eq!(reserved(&pool), (0, 0));
}

#[test]
fn an_admission_stays_as_long_as_work_below_its_account_goes_on() {
    let (root, pool) = (Account::root(), Pool::new(100));
    let outer = admitted(&pool, &root, 60);
    let inner = Account::child(&outer, 20);
    inner.observe(15, 0);
    outer.close();
    assert_eq!(reserved(&pool), (60, 0));
    inner.close();
    assert_eq!(reserved(&pool), (0, 0));
}

#[test]
fn an_admission_for_a_quota_that_has_ended_goes_back_at_once() {
    let (root, pool) = (Account::root(), Pool::new(100));
    let account = Account::child(&root, 60);
    account.close();
    let admission = Pool::admit(&pool, 60, None).unwrap();
    assert!(account.admit(admission).is_ok());
    assert_eq!(reserved(&pool), (0, 0));
}

#[test]
fn an_account_is_admitted_once() {
    let (root, pool) = (Account::root(), Pool::new(100));
    let account = admitted(&pool, &root, 60);
    let second = Pool::admit(&pool, 10, None).unwrap();
    assert!(account.admit(second).is_err());
    assert_eq!(reserved(&pool), (60, 0));
}

#[test]
fn labels_tell_who_holds_what() {
    let pool = Pool::new(100);
    let small = Pool::admit(&pool, 10, Some(b"small")).unwrap();
    let large = [
        Pool::admit(&pool, 20, Some(b"large")).unwrap(),
        Pool::admit(&pool, 30, Some(b"large")).unwrap(),
    ];
    let _nameless = Pool::admit(&pool, 40, None).unwrap();
    let figures = |pool: &Pool| -> Vec<_> {
        let mut holders = pool.holders(None, 1);
        if let Some(first) = holders.first() {
            let rest = pool.holders(Some(&first.label), 9);
            holders.extend(rest);
        }
        let tuple = |it: Holder| (it.label.to_vec(), it.bytes, it.admissions);
        holders.into_iter().map(tuple).collect()
    };
    assert_eq!(
        figures(&pool),
        [(b"large".to_vec(), 50, 2), (b"small".to_vec(), 10, 1)]
    );
    drop(small);
    assert_eq!(figures(&pool), [(b"large".to_vec(), 50, 2)]);
    drop(large);
    assert_eq!(figures(&pool), []);
}

#[test]
fn random_admissions_and_deaths_end_at_zero() {
    let (root, pool) = (Account::root(), Pool::new(1000));
    std::thread::scope(|scope| {
        for seed in 1..=4u64 {
            let (root, pool) = (&root, &pool);
            scope.spawn(move || {
                let mut state = seed;
                let mut held = Vec::new();
                for _ in 0..10_000 {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                    if state >> 61 & 1 == 0 || held.len() > 8 {
                        held.pop();
                        continue;
                    }
                    let bytes = state >> 33 & 0xff;
                    let Ok(admission) = Pool::admit(pool, bytes, Some(&seed.to_le_bytes())) else {
                        continue;
                    };
                    let account = Account::child(root, bytes);
                    assert!(account.admit(admission).is_ok());
                    let part = Reservation::new(&account, Kind::Native, bytes / 2).unwrap();
                    if state >> 60 & 1 == 0 {
                        account.close();
                    }
                    held.push((account, part));
                    assert!(pool.figures().reserved <= 1000);
                }
            });
        }
    });
    let figures = pool.figures();
    assert_eq!(reserved(&pool), (0, 0));
    assert_eq!(figures.running, 0);
    assert!(figures.peak <= 1000 && figures.admitted > 1000);
    assert_eq!(pool.holders(None, 9), []);
}
