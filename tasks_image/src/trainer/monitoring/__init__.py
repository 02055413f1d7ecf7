"""Monitoring: scored rows of a look, their labels, and performance, estimated and measured."""
