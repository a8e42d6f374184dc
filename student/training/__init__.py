"""Fine-tuning a student."""
