//! Compiler errors for mistakes in handlers.

#[test]
fn mistakes_in_handlers_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
