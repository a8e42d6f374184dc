"""What is read from a finished run: report, data card, exports, mixes."""
