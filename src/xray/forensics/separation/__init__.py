"""What separates some candidates or runs from others, beyond what chance explains."""
