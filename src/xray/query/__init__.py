"""Questions about runs, steps and decisions: text or parameters in, a checked plan out. No SQL."""
