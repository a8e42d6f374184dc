"""What users bring as data, read one way: files of many kinds, folders, data sets of a hub."""
