"""Context vectors chosen by the student's scores."""
