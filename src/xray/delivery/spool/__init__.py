"""Files that keep records until a server has them, whatever becomes of the process."""
