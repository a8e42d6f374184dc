"""How the embedded model is made: tasks, tokenizer, training and evaluation (not packaged)."""
