//! Builds terms by raw `enif_*` calls, without the cost of Rustler's encoders.

use bounded_core::xml::Recovered;
use rustler::sys::{
    ErlNifBinary, ErlNifTerm, enif_get_list_cell, enif_get_tuple, enif_inspect_binary,
    enif_make_list_cell, enif_make_list_from_array, enif_make_map_from_arrays,
    enif_make_new_binary, enif_make_tuple_from_array, enif_make_uint64,
};
use rustler::{Encoder, Env, Term};
use std::mem::MaybeUninit;

/// A term of the call's environment, valid until the call returns.
pub type RawTerm = ErlNifTerm;

rustler::atoms! {
    nil,
    start_document, end_document, start_element, end_element, characters, cdata, comment,
    processing_instruction, doctype, skipped_entity,
    recovered, entities, ampersands, leading_whitespace,
    version, encoding, standalone, public_id, system_id, internal_subset, name,
}

/// Those of the struct `Range`.
mod range_keys {
    rustler::atoms! { range = "Elixir.Range", __struct__, first, last, step }
}

/// Makes the terms of one call.
#[derive(Clone, Copy)]
pub struct Terms<'env> {
    pub env: Env<'env>,
    pub empty_list: RawTerm,
    pub start_element: RawTerm,
    pub end_element: RawTerm,
    pub characters: RawTerm,
}

impl<'env> Terms<'env> {
    pub fn new(env: Env<'env>) -> Terms<'env> {
        // SAFETY: no cell is read for an empty list.
        let empty_list = unsafe { enif_make_list_from_array(env.as_c_arg(), std::ptr::null(), 0) };
        Terms {
            env,
            empty_list,
            start_element: start_element().as_c_arg(),
            end_element: end_element().as_c_arg(),
            characters: characters().as_c_arg(),
        }
    }

    /// A binary of its own, never a part of the input: a short title must not keep a chunk alive.
    #[inline]
    pub fn binary(&self, bytes: &[u8]) -> RawTerm {
        self.binary_of(bytes.len(), |target| copy(target, bytes))
    }

    /// A binary of `len` bytes, which `write` must all write.
    #[inline]
    fn binary_of(&self, len: usize, write: impl FnOnce(&mut [MaybeUninit<u8>])) -> RawTerm {
        let mut term = MaybeUninit::uninit();
        // SAFETY: the VM gives `len` writable bytes and writes the term.
        unsafe {
            let start = enif_make_new_binary(self.env.as_c_arg(), len, term.as_mut_ptr());
            write(std::slice::from_raw_parts_mut(start.cast(), len));
            term.assume_init()
        }
    }

    /// The bytes of a binary.
    pub fn bytes(&self, term: RawTerm) -> Option<&'env [u8]> {
        let mut binary = MaybeUninit::<ErlNifBinary>::uninit();
        // SAFETY: the term is of this environment. The VM writes all of `binary` if it returns anything but 0; its bytes live as long
        // as the environment, and are not written to.
        unsafe {
            let is_binary =
                enif_inspect_binary(self.env.as_c_arg(), term, binary.as_mut_ptr()) != 0;
            is_binary.then(|| {
                let binary = binary.assume_init();
                std::slice::from_raw_parts(binary.data, binary.size)
            })
        }
    }

    /// A binary of all `slices`, which are `len` bytes together; what they lack is zero.
    pub fn binary_from<'a>(&self, len: usize, slices: impl Iterator<Item = &'a [u8]>) -> RawTerm {
        self.binary_of(len, |target| {
            let mut at = 0;
            for slice in slices {
                let count = slice.len().min(target.len() - at);
                target[at..at + count].write_copy_of_slice(&slice[..count]);
                at += count;
            }
            target[at..].fill(MaybeUninit::new(0));
        })
    }

    #[inline]
    pub fn tuple<const N: usize>(&self, elements: [RawTerm; N]) -> RawTerm {
        // SAFETY: the VM copies N terms, all of this environment.
        unsafe { enif_make_tuple_from_array(self.env.as_c_arg(), elements.as_ptr(), N as u32) }
    }

    #[inline]
    pub fn cell(&self, head: RawTerm, tail: RawTerm) -> RawTerm {
        // SAFETY: both terms are of this environment.
        unsafe { enif_make_list_cell(self.env.as_c_arg(), head, tail) }
    }

    #[inline]
    pub fn list(&self, elements: &[RawTerm]) -> RawTerm {
        let len = elements.len() as u32;
        // SAFETY: the VM copies `len` terms, all of this environment.
        unsafe { enif_make_list_from_array(self.env.as_c_arg(), elements.as_ptr(), len) }
    }

    /// A map of as many keys as values, no two of them the same. `None` otherwise.
    #[inline]
    pub fn map(&self, keys: &[RawTerm], values: &[RawTerm]) -> Option<RawTerm> {
        if keys.len() != values.len() {
            return None;
        }
        let mut term = MaybeUninit::uninit();
        // SAFETY: the VM reads as many terms of both, all of this environment, and writes the map if it returns anything but 0.
        unsafe {
            let made = enif_make_map_from_arrays(
                self.env.as_c_arg(),
                keys.as_ptr(),
                values.as_ptr(),
                keys.len(),
                term.as_mut_ptr(),
            );
            (made != 0).then(|| term.assume_init())
        }
    }

    /// The first element of a list and the rest, unless it is empty or no list.
    #[inline]
    pub fn uncons(&self, list: RawTerm) -> Option<(RawTerm, RawTerm)> {
        let (mut head, mut tail) = (list, list);
        // SAFETY: the term is of this environment; the VM writes two others, or nothing.
        let is_cell =
            unsafe { enif_get_list_cell(self.env.as_c_arg(), list, &mut head, &mut tail) };
        (is_cell != 0).then_some((head, tail))
    }

    /// The elements of a tuple, if it has `N`.
    pub fn elements<const N: usize>(&self, tuple: RawTerm) -> Option<[RawTerm; N]> {
        let (mut arity, mut start) = (0, std::ptr::null());
        // SAFETY: the term is of this environment; a tuple's elements live as long as that.
        unsafe {
            let is_tuple = enif_get_tuple(self.env.as_c_arg(), tuple, &mut arity, &mut start);
            (is_tuple != 0 && arity as usize == N).then(|| *start.cast())
        }
    }

    /// `{line, column}`.
    pub fn place(&self, (line, column): (u64, u64)) -> RawTerm {
        self.tuple([self.integer(line), self.integer(column)])
    }

    fn integer(&self, n: u64) -> RawTerm {
        // SAFETY: only the environment is needed.
        unsafe { enif_make_uint64(self.env.as_c_arg(), n) }
    }

    /// `first..last//1`.
    pub fn range(&self, first: u64, last: u64) -> RawTerm {
        let keys = [
            range_keys::__struct__(),
            range_keys::first(),
            range_keys::last(),
        ];
        let [struct_key, first_key, last_key] = keys.map(|key| key.as_c_arg());
        let step = range_keys::step().as_c_arg();
        let values = [
            range_keys::range().as_c_arg(),
            self.integer(first),
            self.integer(last),
            self.integer(1),
        ];
        // No two keys are the same.
        self.map(&[struct_key, first_key, last_key, step], &values)
            .unwrap_or(self.empty_list)
    }

    /// `{:recovered, kind, written, {line, column}}`. No event and no record is a tuple of four.
    pub fn recovered(&self, what: Recovered, written: &str, place: (u64, u64)) -> RawTerm {
        let kind = match what {
            Recovered::Entities => entities(),
            Recovered::Characters => characters(),
            Recovered::Ampersands => ampersands(),
            Recovered::LeadingWhitespace => leading_whitespace(),
        };
        let written = self.binary(written.as_bytes());
        self.tuple([
            recovered().as_c_arg(),
            kind.as_c_arg(),
            written,
            self.place(place),
        ])
    }

    pub fn encode(&self, value: impl Encoder) -> RawTerm {
        value.encode(self.env).as_c_arg()
    }

    /// As rustler's term.
    pub fn wrap(&self, term: RawTerm) -> Term<'env> {
        // SAFETY: the term is of this environment.
        unsafe { Term::new(self.env, term) }
    }
}

/// Copies `bytes` to a target of the same length. Most strings are so short that a call of `memcpy` takes longer than the copy: two
/// words that overlap.
#[inline(always)]
fn copy(target: &mut [MaybeUninit<u8>], bytes: &[u8]) {
    match bytes.len() {
        8..=16 => copy_ends::<8>(target, bytes),
        4..8 => copy_ends::<4>(target, bytes),
        _ => {
            target.write_copy_of_slice(bytes);
        }
    }
}

#[inline(always)]
fn copy_ends<const N: usize>(target: &mut [MaybeUninit<u8>], bytes: &[u8]) {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
        if let Some(target) = target.first_chunk_mut::<N>() {
            target.write_copy_of_slice(first);
        }
        if let Some(target) = target.last_chunk_mut::<N>() {
            target.write_copy_of_slice(last);
        }
    }
}
