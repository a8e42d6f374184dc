"""Models are loaded one at a time in a process.

While transformers loads or builds a model it exchanges functions of its own classes (those that tie
and initialise weights) and puts them back at the end. Two loads at once put back what the other had
exchanged: from then on every model in the process has untied or empty weights.
"""

import threading

ONE_AT_A_TIME = threading.RLock()
"""Held by whoever loads or builds a model with transformers, sentence-transformers or peft."""
