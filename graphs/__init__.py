"""Graphs: the state machines that write records, and the nodes that they are made of."""
