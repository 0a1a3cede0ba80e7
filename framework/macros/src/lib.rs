//! The attributes of korf.
