"""Composition: turns a run file into connected objects. Nothing else knows how parts are joined."""
