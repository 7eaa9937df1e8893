// Filled in with its first type.
