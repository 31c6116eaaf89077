//! Text that becomes part of an address.

/// Checks text that becomes part of an address.
///
/// # Errors
/// The rule that it breaks.
pub(super) fn check_path_part(text: &str) -> Result<(), &'static str> {
    if text.contains(char::is_whitespace) {
        Err("it becomes part of an address, and may not have blanks")
    } else if text.split('/').any(|segment| matches!(segment, "." | "..")) {
        Err("it becomes part of an address, and may not be '.' or '..'")
    } else {
        Ok(())
    }
}
