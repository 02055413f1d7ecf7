"""Grafana's dashboards, and the code that writes them."""
