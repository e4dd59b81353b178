"""What the engines that speak SQL have in common: rows, questions and the way facts become rows."""
