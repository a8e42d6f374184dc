"""What is said of an answer: numbers, labels, expressions, programs that are run."""
