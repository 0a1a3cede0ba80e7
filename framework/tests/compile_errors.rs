//! Compiler errors for mistakes in handlers.

#[test]
fn mistakes_in_handlers_are_explained() {
    let _ticker = korf_sandbox::Ticker::start("compiling handlers with mistakes");
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
