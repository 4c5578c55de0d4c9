//! Binaries charged to an account until their last reference goes.
//!
//! ```text
//! resource:  | Header: Reservation | padding | payload ... |
//!                                              ^ what the binary term points at
//! ```
//!
//! The payload is inline in the resource, so the VM counts it in the virtual heap of every process that holds the
//! binary (a resource binary over outside memory counts 104 bytes on OTP 27 and later). The charge
//! survives the creator, messages, ETS and sub-binaries: the VM runs the destructor, as scheduler work,
//! when nothing refers to the resource any more.

use crate::arena::system;
use crate::{atoms, fault_injection};
use bounded_core::arena::account::{Account, Kind, Refusal, Reservation, UNLIMITED};
use rustler::sys::{
    ErlNifEnv, ErlNifResourceFlags, ErlNifResourceType, ErlNifResourceTypeInit, c_void,
    enif_alloc_resource, enif_make_resource_binary, enif_open_resource_type_x,
    enif_release_resource,
};
use rustler::{Encoder, Env, Term};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

static TYPE: AtomicPtr<ErlNifResourceType> = AtomicPtr::new(ptr::null_mut());

/// The header before the payload of every charged binary. Dropping it refunds the charge.
struct Header {
    _reservation: Reservation,
}

/// The payload starts on a cache line: copying 4 MiB was a sixth faster than to an arbitrary address.
const ALIGNMENT: usize = 64;

/// Bytes of a charged binary besides its payload.
const OVERHEAD: usize = size_of::<Header>() + ALIGNMENT - 1;

/// A binary being written: charged, allocated, and not yet a term.
pub struct ChargedBinary {
    resource: NonNull<c_void>,
    len: usize,
}

// SAFETY: a resource may be used and released on any thread, and no other thread holds this one yet.
unsafe impl Send for ChargedBinary {}

impl ChargedBinary {
    /// Charges `len` bytes and the overhead to `account`, then allocates them.
    pub fn new(account: &Arc<Account>, len: usize) -> Result<ChargedBinary, Refusal> {
        let reservation = Reservation::new(
            account,
            Kind::Binary,
            (len as u64).saturating_add(OVERHEAD as u64),
        )?;
        // The VM aborts if the system refuses, so the system is asked first.
        if !system::grants(len) {
            return Err(Refusal {
                requested: len as u64,
                limit: UNLIMITED,
                used: account.reserved(),
            });
        }
        // SAFETY: the type was opened when the library was loaded. The VM aborts rather than return null.
        let resource = unsafe {
            let resource = enif_alloc_resource(TYPE.load(Ordering::Acquire), OVERHEAD + len);
            // The header comes first, before anything that can fail: the destructor will read it.
            resource.cast::<Header>().write(Header {
                _reservation: reservation,
            });
            NonNull::new_unchecked(resource)
        };
        Ok(ChargedBinary { resource, len })
    }

    /// The payload: `len` bytes, uninitialised until written.
    pub fn payload(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: `len` bytes from the start on belong to this resource, which nothing else refers to.
        unsafe { std::slice::from_raw_parts_mut(self.start().cast(), self.len) }
    }

    /// Bytes of the payload.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Ends the binary after `len` bytes. The bytes behind them stay allocated, and so charged.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The finished binary.
    ///
    /// # Safety
    ///
    /// Every byte of the payload has been written.
    pub unsafe fn into_term(self, env: Env<'_>) -> Term<'_> {
        // SAFETY: the payload lies within the resource, which the binary keeps alive; dropping `self`
        // gives up the reference that `new` received.
        unsafe {
            let term = enif_make_resource_binary(
                env.as_c_arg(),
                self.resource.as_ptr(),
                self.start().cast(),
                self.len,
            );
            Term::new(env, term)
        }
    }

    fn start(&self) -> *mut u8 {
        let behind_header = size_of::<Header>();
        // SAFETY: `new` allocated the header, up to ALIGNMENT - 1 bytes of padding, and the payload.
        unsafe {
            let address = self.resource.as_ptr().cast::<u8>().add(behind_header);
            address.add(address.align_offset(ALIGNMENT))
        }
    }
}

impl Drop for ChargedBinary {
    fn drop(&mut self) {
        // SAFETY: `new` received one reference from the VM, given up here and nowhere else.
        unsafe { enif_release_resource(self.resource.as_ptr()) }
    }
}

/// A binary of `bytes`, charged to `account`.
pub fn copy<'env>(
    env: Env<'env>,
    account: &Arc<Account>,
    bytes: &[u8],
) -> Result<Term<'env>, Refusal> {
    let mut binary = ChargedBinary::new(account, bytes.len())?;
    binary.payload().write_copy_of_slice(bytes);
    // SAFETY: the line above wrote the whole payload.
    Ok(unsafe { binary.into_term(env) })
}

/// `{:error, {:refused, {requested, limit, used}}}`, which `Quota.Account.Reservation.charged/1` answers.
pub fn refused<'env>(env: Env<'env>, refusal: &Refusal) -> Term<'env> {
    let figures = (refusal.requested, refusal.limit, refusal.used);
    (atoms::error(), (atoms::refused(), figures)).encode(env)
}

/// Registers the resource type. Called once, when the library is loaded.
pub fn open_resource_type(env: Env) -> bool {
    let init = ErlNifResourceTypeInit {
        dtor: destructor as *const _,
        stop: ptr::null(),
        down: ptr::null(),
    };
    let mut tried = MaybeUninit::uninit();
    // SAFETY: called within the library's load callback, with a literal name and a full init record.
    let opened = unsafe {
        enif_open_resource_type_x(
            env.as_c_arg(),
            c"bounded_binary".as_ptr(),
            &init,
            ErlNifResourceFlags::ERL_NIF_RT_CREATE,
            tried.as_mut_ptr(),
        )
    };
    TYPE.store(opened.cast_mut(), Ordering::Release);
    !opened.is_null()
}

/// Refunds the account. Nothing may unwind into the VM.
unsafe extern "C" fn destructor(_env: *mut ErlNifEnv, resource: *mut c_void) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        fault_injection::point("destructor");
        // SAFETY: `ChargedBinary::new` wrote the header, and the VM calls this exactly once.
        drop(unsafe { resource.cast::<Header>().read() });
    }));
}
