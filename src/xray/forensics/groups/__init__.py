"""Two groups of runs compared: what differs beyond what chance explains."""
