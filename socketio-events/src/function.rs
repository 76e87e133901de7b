//! Functions that can be handlers: async functions whose arguments are extractors.
//!
//! [`HandlerFn`] has one implementation, and each of its bounds has one for a given type. The compiler therefore
//! reports the bound that fails, such as the one argument that is no extractor, instead of the whole function.

use std::future::Future;

use crate::error::ExtractError;
use crate::extract::{Extract, Registration};

/// An async function whose arguments can all be extracted from the context `C`.
///
/// `M` is the tuple of the arguments. It keeps the implementations apart, and the compiler infers it.
#[diagnostic::on_unimplemented(
    message = "this function cannot be a handler here",
    label = "not a handler here",
    note = "a handler is an async function or closure of up to eight arguments, each an extractor: `|socket: Socket, Data(text): Data<String>| async move {{ … }}`"
)]
pub trait HandlerFn<C, M>: Send + Sync + 'static {
    /// Output of the function's future.
    type Output;
    /// Future of the function.
    type Future: Future<Output = Self::Output> + Send + 'static;

    /// Checks that a server has what the arguments need: see [`Extract::register`].
    fn register(server: &Registration<'_>) -> Result<(), ExtractError>;

    /// Extracts the arguments and calls the function.
    fn call(&self, context: &mut C) -> Result<Self::Future, ExtractError>;
}

/// A function with the arguments `A`, a tuple.
#[diagnostic::on_unimplemented(
    message = "this is not a function that can be a handler",
    label = "not a function of up to eight arguments",
    note = "a handler is an async function or closure of up to eight arguments, each an extractor: `|socket: Socket, Data(text): Data<String>| async move {{ … }}`",
    note = "an event middleware takes no `next`: it returns `Ok(())` to let the event pass, and an error to refuse it"
)]
pub trait Function<A>: 'static {
    /// Type of the returned value.
    type Returned;

    /// Calls the function.
    fn invoke(&self, arguments: A) -> Self::Returned;
}

/// A tuple of extractors: the arguments of a handler.
pub trait ExtractAll<C>: Sized {
    /// Checks that a server has what the arguments need.
    fn register_all(server: &Registration<'_>) -> Result<(), ExtractError>;

    /// Extracts the arguments, in their order.
    fn extract_all(context: &mut C) -> Result<Self, ExtractError>;
}

/// Returned value of a handler: a future.
#[diagnostic::on_unimplemented(
    message = "a handler is async, and this one returns `{Self}`",
    label = "not an async function",
    note = "a handler is an async function, or a closure that returns an async block: `|socket: Socket| async move {{ … }}`"
)]
pub trait AsyncReturn: Future {}

#[diagnostic::do_not_recommend]
impl<F: Future> AsyncReturn for F {}

impl<C, A, F> HandlerFn<C, A> for F
where
    F: Function<A> + Send + Sync,
    A: ExtractAll<C>,
    F::Returned: AsyncReturn + Send + 'static,
{
    type Output = <F::Returned as Future>::Output;
    type Future = F::Returned;

    fn register(server: &Registration<'_>) -> Result<(), ExtractError> {
        A::register_all(server)
    }

    fn call(&self, context: &mut C) -> Result<Self::Future, ExtractError> {
        Ok(self.invoke(A::extract_all(context)?))
    }
}

macro_rules! function {
    ($($argument:ident),*) => {
        impl<F, R, $($argument),*> Function<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> R + 'static,
        {
            type Returned = R;

            #[allow(non_snake_case, reason = "an argument is named like its type")]
            fn invoke(&self, ($($argument,)*): ($($argument,)*)) -> R {
                self($($argument),*)
            }
        }

        impl<C, $($argument: Extract<C>),*> ExtractAll<C> for ($($argument,)*) {
            #[allow(unused_variables, reason = "a function without arguments needs no server")]
            fn register_all(server: &Registration<'_>) -> Result<(), ExtractError> {
                $($argument::register(server)?;)*
                Ok(())
            }

            #[allow(unused_variables, reason = "a function without arguments needs no context")]
            fn extract_all(context: &mut C) -> Result<Self, ExtractError> {
                Ok(($($argument::extract(context)?,)*))
            }
        }
    };
}

function!();
function!(A1);
function!(A1, A2);
function!(A1, A2, A3);
function!(A1, A2, A3, A4);
function!(A1, A2, A3, A4, A5);
function!(A1, A2, A3, A4, A5, A6);
function!(A1, A2, A3, A4, A5, A6, A7);
function!(A1, A2, A3, A4, A5, A6, A7, A8);
