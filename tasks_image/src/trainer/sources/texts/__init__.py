"""Texts in plain files: documents, one after the other."""
