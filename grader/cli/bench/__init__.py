"""`grader bench`: from its options to what it prints and writes."""
