"""What is kept of a run when all its steps are done."""
