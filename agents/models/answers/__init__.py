"""What a model's answer is before anybody reads it: thinking, marks, calls and forms told apart."""
