//! Every interleaving of a pool's atomics. Run by `bin/loom`.

use crate::arena::account::{Account, Kind, Reservation};
use crate::arena::pool::*;
use loom::thread;

fn reserved(pool: &Pool) -> (u64, u64) {
    let figures = pool.figures();
    (figures.reserved, figures.orphaned)
}

#[test]
fn two_newcomers_never_reserve_the_same_bytes() {
    loom::model(|| {
        let pool = Pool::new(10);
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || Pool::admit(&pool, 6, None).ok())
        };
        let mine = Pool::admit(&pool, 6, None).ok();
        let theirs = other.join().unwrap();
        assert!(mine.is_some() != theirs.is_some());
        drop((mine, theirs));
        assert_eq!(reserved(&pool), (0, 0));
        assert_eq!(pool.figures().peak, 6);
    });
}

/// The lost wake-up: the thread that waits finds no room, while the thread that gives bytes back sees no one waiting.
#[test]
fn room_is_found_by_the_queue_or_announced_to_it() {
    loom::model(|| {
        let pool = Pool::new(10);
        let held = Pool::admit(&pool, 10, None).unwrap();
        let releaser = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                drop(held);
                pool.is_queued()
            })
        };
        pool.set_waiting(1);
        let found = Pool::admit_queued(&pool, 10, None).is_ok();
        let announced = releaser.join().unwrap();
        assert!(found || announced);
    });
}

#[test]
fn a_newcomer_never_passes_the_queue_once_it_stands() {
    loom::model(|| {
        let pool = Pool::new(10);
        let newcomer = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || Pool::admit(&pool, 4, None))
        };
        pool.set_waiting(1);
        let head = Pool::admit_queued(&pool, 6, None);
        let newcomer = newcomer.join().unwrap();
        // Either it came before the queue or it was sent to it: room alone does not let it in.
        assert!(newcomer.is_err_and(|it| it.reason == Reason::Queued) || head.is_ok());
        assert!(Pool::admit(&pool, 0, None).is_err());
    });
}

#[test]
fn pausing_races_admission_and_neither_flag_nor_bytes_are_lost() {
    loom::model(|| {
        let pool = Pool::new(10);
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.set_paused(true))
        };
        let held = Pool::admit(&pool, 4, None);
        other.join().unwrap();
        assert!(pool.figures().paused);
        assert_eq!(reserved(&pool).0, if held.is_ok() { 4 } else { 0 });
        drop(held);
        assert_eq!(reserved(&pool), (0, 0));
    });
}

/// A quota ends while the last of its bytes are refunded elsewhere: never reserved for others before
/// they are gone, never forgotten.
#[test]
fn settling_races_the_refund_of_what_outlives_it() {
    loom::model(|| {
        let (root, pool) = (Account::root(), Pool::new(10));
        let account = Account::child(&root, 10);
        let admission = Pool::admit(&pool, 10, None).unwrap();
        assert!(account.admit(admission).is_ok());
        let kept = Reservation::new(&account, Kind::Native, 7).unwrap();
        let refunder = thread::spawn(move || drop(kept));
        account.close();
        let free = 10 - reserved(&pool).0;
        assert!(free == 3 || free == 10);
        refunder.join().unwrap();
        assert_eq!(reserved(&pool), (0, 0));
        assert_eq!((root.reserved(), root.orphaned()), (0, 0));
    });
}

/// The process that waited gave up while the pool granted its request: the bytes go back in this case too.
#[test]
fn an_admission_races_the_end_of_the_quota_it_is_for() {
    loom::model(|| {
        let (root, pool) = (Account::root(), Pool::new(10));
        let account = Account::child(&root, 10);
        let granter = {
            let (account, pool) = (Arc::clone(&account), Arc::clone(&pool));
            thread::spawn(move || {
                let admission = Pool::admit_queued(&pool, 10, None).unwrap();
                assert!(account.admit(admission).is_ok());
            })
        };
        account.close();
        granter.join().unwrap();
        assert_eq!(reserved(&pool), (0, 0));
    });
}

#[test]
fn settling_races_a_newcomer_and_the_pool_is_never_overdrawn() {
    loom::model(|| {
        let (root, pool) = (Account::root(), Pool::new(10));
        let account = Account::child(&root, 10);
        assert!(account.admit(Pool::admit(&pool, 10, None).unwrap()).is_ok());
        let _kept = Reservation::new(&account, Kind::Native, 4).unwrap();
        let newcomer = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || Pool::admit(&pool, 7, None).is_ok())
        };
        account.close();
        // Six bytes are free, whenever it asks.
        assert!(!newcomer.join().unwrap());
        assert_eq!(reserved(&pool), (4, 4));
        assert_eq!(pool.figures().peak, 10);
    });
}
