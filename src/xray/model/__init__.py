"""What a run is: facts a client sends, records a store knows, answers forensics gives. No I/O."""
