//! Integers read from the terms themselves, where the VM writes them as it always has.

use rustler::sys::{ErlNifTerm, enif_make_int64};
use rustler::{Env, NifResult, Term};
use std::sync::OnceLock;

/// Small integers are their value above four bits that nothing else ends in.
const TAG_BITS: u32 = 4;
const TAG: usize = (1 << TAG_BITS) - 1;

/// How to read integers. Asking the VM for the two of each position took a seventh of the time in which a row
/// was cut into fields. A word is looked at, never what it might point at: read wrongly it is a wrong number.
#[derive(Clone, Copy)]
pub struct Integers {
    tagged: bool,
}

impl Integers {
    /// Nothing promises how a VM writes them: it is seen once, from integers that it makes.
    pub fn new(env: Env) -> Integers {
        static TAGGED: OnceLock<bool> = OnceLock::new();
        let tagged = *TAGGED.get_or_init(|| {
            [0, 1, -1, 4_711, -4_711, i64::from(i32::MAX >> TAG_BITS)]
                .into_iter()
                .all(|value| tagged(value) == made(env, value))
        });
        Integers { tagged }
    }

    /// The integer that `term` is.
    #[inline]
    pub fn get(self, term: Term) -> NifResult<i64> {
        let word = word(term.as_c_arg());
        if self.tagged && word & TAG == TAG {
            Ok((word as isize >> TAG_BITS) as i64)
        } else {
            term.decode()
        }
    }
}

fn tagged(value: i64) -> usize {
    (value << TAG_BITS) as usize | TAG
}

fn made(env: Env, value: i64) -> usize {
    // SAFETY: makes a term in `env` of a plain number.
    word(unsafe { enif_make_int64(env.as_c_arg(), value) })
}

fn word(term: ErlNifTerm) -> usize {
    // SAFETY: `ErlNifTerm` is `repr(transparent)` around one word of plain data.
    unsafe { std::mem::transmute::<ErlNifTerm, usize>(term) }
}
