"""Facts as versioned bytes, and the limits both ends hold to."""
