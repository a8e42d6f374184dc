"""The end of every graph that writes records: gate, score, approve, admit, reject."""
