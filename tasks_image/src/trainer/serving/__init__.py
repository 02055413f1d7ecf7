"""Answering requests with registered versions: a process for each version, and a router before them."""
