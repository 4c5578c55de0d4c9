//! The document type declaration.

use super::core::{Region, State};
use super::error::ErrorKind;
use super::halt::{Halt, fault, malformed};
use super::options::DoctypePolicy;
use super::scanner::Scanner;
use super::sink::Sink;

impl<S: Sink> Scanner<'_, S> {
    pub fn begin_doctype(&mut self) -> Result<(), Halt> {
        if self.core.region != Region::Prolog || self.core.open.depth() > 0 {
            return malformed(
                self.at,
                "a DOCTYPE belongs before the root element, once at most",
            );
        }
        if self.core.options.doctype == DoctypePolicy::Reject {
            return fault(
                ErrorKind::Unsupported,
                self.at,
                "no DOCTYPE is allowed here",
            );
        }
        self.begin_token(State::Doctype);
        self.doctype()
    }

    pub fn doctype(&mut self) -> Result<(), Halt> {
        self.within_token(|scanner, end| {
            let text = &scanner.text[..end];
            match memchr::memchr2(b'[', b'>', &text[scanner.at..]) {
                None => Err(Halt::Starved),
                Some(len) if text[scanner.at + len] == b'>' => {
                    scanner.at += len + 1;
                    scanner.core.state = State::Between;
                    scanner.core.region = Region::AfterDoctype;
                    Ok(())
                }
                Some(len) => fault(
                    ErrorKind::Unsupported,
                    scanner.at + len,
                    "an internal subset is not read yet",
                ),
            }
        })
    }
}
